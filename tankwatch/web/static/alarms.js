// Keys of the alarm list and of an incident, and forms that are sent without leaving the page.
// All of it is only quicker: without scripts the same forms and links do the same.
"use strict";
(() => {
  const KEYS = "tankwatch single keys off";
  const said = document.getElementById("said");
  const keys = document.getElementById("keys");
  const isOn = document.getElementById("keys-on");
  const DONE = { acknowledge: "acknowledged", label: "label stored", close: "closed", reset: "reset", shelve: "shelved", unshelve: "no longer shelved" };
  let uid = null;

  // A browser may keep no storage; then keys are on.
  try { isOn.checked = localStorage.getItem(KEYS) === null; } catch { /* they are on */ }
  isOn.addEventListener("change", () => {
    try {
      if (isOn.checked) localStorage.removeItem(KEYS);
      else localStorage.setItem(KEYS, "off");
    } catch { /* for this page alone */ }
  });

  const rows = () => [...document.querySelectorAll("#alarms tr[data-uid]")];
  const current = () => rows().find((row) => row.dataset.uid === uid) ?? null;

  function mark() {
    for (const row of rows()) row.classList.toggle("current", row.dataset.uid === uid);
  }

  function go(step) {
    const all = rows();
    if (!all.length) return;
    const at = all.findIndex((row) => row.dataset.uid === uid);
    const to = at < 0 ? 0 : Math.min(Math.max(at + step, 0), all.length - 1);
    all[to].querySelector("a.open").focus();
    all[to].scrollIntoView({ block: "nearest" });
  }

  document.addEventListener("focusin", (event) => {
    const row = event.target.closest?.("tr[data-uid]");
    if (row) { uid = row.dataset.uid; mark(); }
  });

  function say(text, isBad) {
    said.textContent = text;
    said.classList.toggle("warn", Boolean(isBad));
  }

  function open(kind) {
    const row = current();
    const dialog = document.getElementById(`${kind}-dialog`);
    if (!row) {
      // On an incident's own page the form stands there.
      document.getElementById(kind)?.querySelector("select, input:not([type=hidden])")?.focus();
      return;
    }
    if (!dialog) return;
    const form = dialog.querySelector("form");
    const what = row.querySelector("a.open").textContent;
    form.reset();
    form.action = `/incidents/${row.dataset.uid}/${kind}`;
    form.dataset.of = what;
    dialog.querySelector("[data-what]").textContent = what;
    dialog.showModal();
  }

  function submit(kind) {
    const form = (current() ?? document.getElementById("content")).querySelector(`form[data-act="${kind}"]`);
    if (form && (current() || !rows().length)) form.requestSubmit();
    else if (current()) say(`There is nothing to ${kind}.`, true);
  }

  const underWay = new WeakSet();

  async function send(form, submitter) {
    const fields = new URLSearchParams(new FormData(form, submitter));
    const of = form.dataset.of ? `${form.dataset.of}: ` : "";
    const dialog = form.closest("dialog");
    dialog?.close();
    let answer;
    try {
      // Where it leads is here: what was done is all that is asked.
      answer = await fetch(form.getAttribute("action"), { method: "POST", body: fields, redirect: "manual" });
    } catch {
      say("The server does not answer: nothing is known to be done.", true);
      dialog?.showModal();
      return;
    }
    if (answer.type === "opaqueredirect") {
      say(of + DONE[form.dataset.act]);
      // An incident's page has other forms once it is in another state.
      if (!document.getElementById("alarms")) location.reload();
      else document.body.dispatchEvent(new CustomEvent("alarms-changed"));
      return;
    }
    if (answer.status === 401) { location.reload(); return; }
    const told = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
    say(of + [...(told?.querySelectorAll("h1, p") ?? [])].slice(0, 2).map((part) => part.textContent).join(". "), true);
  }

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.dataset?.act) return;
    event.preventDefault();
    if (underWay.has(form)) return;
    underWay.add(form);
    send(form, event.submitter).finally(() => underWay.delete(form));
  });

  document.addEventListener("click", (event) => {
    const opener = event.target.closest?.("[data-opens]");
    if (opener && opener.closest("tr[data-uid]")) {
      event.preventDefault();
      uid = opener.closest("tr[data-uid]").dataset.uid;
      mark();
      open(opener.dataset.opens);
    }
    event.target.closest?.("[data-close]")?.closest("dialog").close();
  });

  // The list is swapped under the keyboard: whatever row had the focus keeps it, or its neighbour.
  document.addEventListener("htmx:after:swap", mark);

  const ACTS = {
    j: () => go(1),
    k: () => go(-1),
    a: () => submit("acknowledge"),
    r: () => submit("reset"),
    s: () => open("shelve"),
    l: () => open("label"),
    u: () => document.getElementById("back")?.click(),
  };

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input:not([type=radio], [type=checkbox]), select, textarea, dialog");
    if (event.ctrlKey || event.metaKey || event.altKey || typing) return;
    if (event.key === "?") { event.preventDefault(); keys.showModal(); return; }
    if (!isOn.checked || !ACTS[event.key]) return;
    event.preventDefault();
    ACTS[event.key]();
  });
})();
