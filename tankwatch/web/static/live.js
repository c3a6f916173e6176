// News of the alarms: the number beside "Alarms", and an event that lists and pages follow.
// Only while the page is looked at: a browser has few connections to one server.
"use strict";
(() => {
  const count = document.getElementById("unseen");
  const live = document.getElementById("live");
  const title = document.title;
  let source = null;
  let isFirst = true;

  function tell() {
    document.body.dispatchEvent(new CustomEvent("alarms-changed"));
  }

  function show(unseen) {
    count.textContent = unseen || "";
    document.title = unseen ? `(${unseen}) ${title}` : title;
  }

  function ended() {
    source?.close();
    source = null;
    live.textContent = "not live: ";
    const again = document.createElement("a");
    again.href = `/login?next=${encodeURIComponent(location.pathname + location.search)}`;
    again.textContent = "log in again";
    live.append(again);
  }

  function follow() {
    if (source || document.hidden) return;
    source = new EventSource("/events");
    source.addEventListener("open", () => { live.textContent = "live"; });
    source.addEventListener("alarms", (event) => {
      show(JSON.parse(event.data).unseen);
      // What the first one tells is on the page already, unless it was away for a while.
      if (!isFirst) tell();
      isFirst = false;
    });
    source.addEventListener("over", ended);
    source.addEventListener("error", () => {
      if (source?.readyState === EventSource.CLOSED) ended();
      else { live.textContent = "not live: waiting for the server"; isFirst = false; }
    });
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      source?.close();
      source = null;
      isFirst = false;
    } else follow();
  });
  addEventListener("pagehide", () => { source?.close(); source = null; });
  // "12 min ago" grows old.
  setInterval(() => { if (source && !document.hidden) tell(); }, 60000);
  follow();
})();
