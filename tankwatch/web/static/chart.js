// Charts of a tank: a panel a channel and one for the score, from /api/v1/tanks/SITE/TANK/series.
// What is asked for is three times as wide as what is shown, so that panning need not wait.
// What is expected next comes from .../forecast once the newest reading is in sight.
"use strict";

(() => {
  const MINUTE = 60e3, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
  // Least distance of two ticks, how each is written, and how where a new year, day or minute begins.
  const TIMES = [
    [365 * DAY, "{YYYY}", null, null, null, null, null, null, 1],
    [28 * DAY, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
    [DAY, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
    [MINUTE, "{HH}:{mm}", "\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1],
    [1e3, "{HH}:{mm}:{ss}", "\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1],
  ];
  // The scale of scores is nearly logarithmic above the threshold, so that a peak flattens nothing.
  const SCORES = {
    splits: (_, __, low, high) => [0, 0.5, 1, 2, 5, 10, 20, 50, 100, 1000].filter((at) => at >= low && at <= high),
    values: (_, at) => at.map(String),
  };
  const LEAST = 2 * MINUTE, WAIT_MS = 120, NEWS_MS = 30e3, AHEAD_MS = 5 * MINUTE, RETRY_MS = 20e3, NEAR = 0.6;
  const root = document.getElementById("chart");
  if (!root || !window.uPlot) return;

  const said = document.getElementById("chart-said");
  const zone = root.dataset.zone;
  const height = root.clientWidth < 500 ? 150 : 190;
  const state = {
    from: Number(root.dataset.from), until: Number(root.dataset.until),
    data: null, plots: [], request: null, timer: 0, requests: 0,
    ahead: null, aheadOf: null, aheadAsked: 0, hasFailed: false, isLooking: false,
  };
  const foresight = document.getElementById("forecast"), foretold = document.getElementById("foretold");
  const sync = uPlot.sync("tank");
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const points = () => Math.min(Math.max(Math.round(root.clientWidth), 300), 1600);

  // ------------------------------------------------------------------ the span that is shown
  function bounds() {
    const data = state.data;
    const newest = data && data.last_ms !== null ? data.last_ms : state.until;
    const last = Math.max(newest, state.ahead ? state.ahead.until : newest);
    const first = data && data.first_ms !== null ? data.first_ms : state.from;
    const margin = Math.max((last - first) * 0.02, MINUTE);
    return [first - margin, last + margin];
  }

  function show(from, until) {
    const [first, last] = bounds();
    const span = Math.min(Math.max(until - from, LEAST), last - first);
    let begin = from + (until - from - span) / 2;
    begin = Math.min(Math.max(begin, first), last - span);
    state.from = begin;
    state.until = begin + span;
    for (const plot of state.plots) plot.setScale("x", { min: state.from, max: state.until });
    tell();
    if (needs()) fetchSoon();
    else lookAhead();
  }

  const pan = (share) => {
    const by = (state.until - state.from) * share;
    show(state.from + by, state.until + by);
  };

  function zoom(factor, at = (state.from + state.until) / 2) {
    show(at - (at - state.from) * factor, at + (state.until - at) * factor);
  }

  function preset(name) {
    const [first, last] = bounds();
    if (name === "all") return show(first, last);
    const newest = state.data && state.data.last_ms !== null ? state.data.last_ms : state.until;
    return show(newest - Number(name) * HOUR, state.ahead ? state.ahead.until : newest);
  }

  // ------------------------------------------------------------------ asking for data
  function needs() {
    const data = state.data;
    if (!data) return true;
    const span = state.until - state.from, [first, last] = bounds();
    if (Math.max(state.from, first) < data.asked[0] || Math.min(state.until, last) > data.asked[1]) return true;
    const asked = data.asked[1] - data.asked[0];
    return data.width_ms > 0 ? span < asked / 5 : span > asked;
  }

  function fetchSoon() {
    clearTimeout(state.timer);
    state.timer = setTimeout(fetchNow, WAIT_MS);
  }

  async function fetchNow() {
    if (state.request) state.request.abort();
    const request = state.request = new AbortController();
    const span = state.until - state.from;
    const asked = [Math.max(Math.floor(state.from - span), 0), Math.ceil(state.until + span)];
    const query = new URLSearchParams({ from: asked[0], to: asked[1], points: 3 * points() });
    root.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(`${root.dataset.series}?${query}`, { signal: request.signal });
      if (answer.status === 401) return location.reload();
      if (!answer.ok) throw new Error((await answer.json()).title);
      state.data = Object.assign(await answer.json(), { asked });
      state.requests += 1;
      draw();
      lookAhead();
    } catch (error) {
      if (error.name !== "AbortError") said.textContent = `No data: ${error.message}`;
      return undefined;
    } finally {
      if (state.request === request) root.removeAttribute("aria-busy");
    }
    root.dataset.requests = state.requests;
    root.dataset.width = state.data.width_ms;
    return undefined;
  }

  // The time ahead is asked for while the end of what is known is shown: once for each new reading,
  // again after a while, as a tank may have gone silent, and after a failure when news would be.
  async function lookAhead() {
    const last = state.data ? state.data.last_ms : null;
    if (!foresight || last === null || state.until < last - MINUTE) return;
    const isNew = state.aheadOf !== last, wasUnknown = state.aheadOf === null;
    const wait = state.hasFailed ? RETRY_MS : isNew ? 0 : AHEAD_MS;
    if (state.isLooking || Date.now() - state.aheadAsked < wait) return;
    state.isLooking = true;
    state.aheadAsked = Date.now();
    try {
      const answer = await fetch(foresight.dataset.forecast);
      if (!answer.ok) throw new Error((await answer.json()).title);
      const found = await answer.json();
      state.ahead = found.t.length ? { ...found, until: found.t[found.t.length - 1] + found.step_ms } : null;
      state.aheadOf = last;
      state.hasFailed = false;
      foretell(found);
    } catch (error) {
      state.ahead = null;
      state.hasFailed = true;
      foretell({ channels: [], basis: `No forecast: ${error.message}` });
    } finally {
      state.isLooking = false;
    }
    draw();
    if (wasUnknown && state.ahead && state.until >= last - MINUTE) show(state.from, state.ahead.until);
    root.dataset.ahead = state.ahead ? state.ahead.t.length : 0;
  }

  // Read aloud only where it is news: the basis names the newest reading, so it is new each time.
  function foretell(found) {
    const list = document.createElement("ul"), [news, basis] = foretold.children;
    for (const one of found.channels) {
      for (const limit of one.limits) list.append(Object.assign(document.createElement("li"), { textContent: limit.says }));
    }
    const told = found.channels.length ? list : Object.assign(document.createElement("p"), { textContent: found.basis });
    basis.textContent = found.channels.length ? found.basis : "";
    if (news.textContent !== told.textContent) news.replaceChildren(...(told.textContent ? [told] : []));
  }

  async function news() {
    if (document.hidden || !state.data || root.hasAttribute("aria-busy")) return;
    const before = state.data.last_ms, atEnd = state.until >= before;
    await fetchNow();
    if (atEnd && state.data.last_ms > before) {
      const by = state.data.last_ms - before;
      show(state.from + by, state.until + by);
    }
  }

  // ------------------------------------------------------------------ drawing
  function columns(one, width) {
    const middle = width / 2;
    const expected = one.expected_low.length ? [one.expected_low, one.expected_high] : [];
    const edges = one.low.length ? [one.low, one.high] : [];
    const known = [one.t.map((t) => t + middle), ...expected, ...edges, one.mean];
    const next = ahead(one);
    if (!next) return known;
    const after = next.t.map(() => null), before = one.t.map(() => null);
    // What lies ahead begins where what is known ends.
    const newest = one.mean.length - 1, last = known[0][newest];
    const joins = one.mean[newest] !== null && next.t[0] - last <= 2 * state.ahead.step_ms;
    return [
      known[0].concat(next.t),
      ...known.slice(1).map((column) => column.concat(after)),
      ...[next.low, next.high, next.median].map((column) => {
        const led = before.slice();
        if (joins) led[newest] = one.mean[newest];
        return led.concat(column);
      }),
    ];
  }

  // What is expected of a channel after its newest value; null if nothing is.
  function ahead(one) {
    const found = state.ahead && !one.score ? state.ahead.channels.find((each) => each.channel === one.channel) : null;
    const newest = one.t[one.t.length - 1];
    if (!found || newest === undefined || newest < state.data.last_ms - Math.max(state.data.width_ms, state.ahead.step_ms)) return null;
    const begin = state.ahead.t.findIndex((t) => t > newest + state.data.width_ms / 2);
    if (begin < 0) return null;
    const [t, low, median, high] = [state.ahead.t, found.low, found.median, found.high].map((each) => each.slice(begin));
    return { t, low, median, high };
  }

  function lines(one) {
    if (one.score) return [[1, "threshold"]];
    return [[one.limit_low, "low limit"], [one.limit_high, "high limit"]].filter(([at]) => at !== null);
  }

  function range(one, foreseen) {
    return (plot, low, high) => {
      if (low === null) return [0, 1];
      if (one.score) return [0, Math.max(1.25, high * 1.08)];
      const span = high - low || Math.abs(high) || 1, room = span * NEAR;
      let [least, most] = [low, high];
      // A wide band may be cut off, so that it does not flatten the curve.
      const [first, last] = plot.series[0].idxs ?? [0, plot.data[0].length - 1];
      const bands = [...(one.expected_low.length ? plot.data.slice(1, 3) : []), ...(foreseen ? plot.data.slice(-3, -1) : [])];
      for (const edges of bands) {
        for (let at = first; at <= last; at += 1) {
          if (edges[at] === null) continue;
          least = Math.min(least, Math.max(edges[at], low - span));
          most = Math.max(most, Math.min(edges[at], high + span));
        }
      }
      for (const [at] of lines(one)) {
        if (at >= low - room && at <= high + room) [least, most] = [Math.min(least, at), Math.max(most, at)];
      }
      const pad = (most - least || Math.abs(most) || 1) * 0.06;
      return [least - pad, most + pad];
    };
  }

  function shade(plot) {
    const { ctx, bbox } = plot;
    const place = (t) => Math.min(Math.max(plot.valToPos(t, "x", true), bbox.left), bbox.left + bbox.width);
    ctx.save();
    ctx.fillStyle = css("flagged");
    for (const [from, until] of state.data.flagged) {
      if (until < state.from || from > state.until) continue;
      const left = place(from);
      ctx.fillRect(left, bbox.top, Math.max(place(until) - left, 1.5 * devicePixelRatio), bbox.height);
    }
    ctx.restore();
  }

  function overlay(plot, one) {
    const { ctx, bbox } = plot, ratio = devicePixelRatio;
    const place = (t) => Math.min(Math.max(plot.valToPos(t, "x", true), bbox.left), bbox.left + bbox.width);
    ctx.save();
    ctx.font = `${12 * ratio}px system-ui, sans-serif`;
    ctx.textAlign = "left";
    ctx.textBaseline = "alphabetic";
    ctx.lineWidth = 1.5 * ratio;
    ctx.strokeStyle = ctx.fillStyle = css("warn");
    ctx.setLineDash([6 * ratio, 4 * ratio]);
    for (const [at, name] of lines(one)) {
      if (at < plot.scales.y.min || at > plot.scales.y.max) continue;
      const y = plot.valToPos(at, "y", true);
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
      const below = y - bbox.top < 16 * ratio;
      ctx.fillText(name, bbox.left + 4 * ratio, y + (below ? 13 : -4) * ratio);
    }
    ctx.setLineDash([]);
    // An incident is a bar above the channel that it is about.
    for (const each of state.data.incidents) {
      if (!one.score && each.channel !== one.channel) continue;
      const until = each.until_ms === null ? state.data.last_ms : each.until_ms;
      if (until < state.from || each.from_ms > state.until) continue;
      const left = place(each.from_ms);
      ctx.fillRect(left, bbox.top, Math.max(place(until) - left, 3 * ratio), 4 * ratio);
    }
    ctx.restore();
  }

  function options(one) {
    const axis = {
      stroke: css("text"), font: "12px system-ui, sans-serif",
      grid: { stroke: css("line"), width: 1 }, ticks: { stroke: css("line") },
    };
    const shown = (value) => (value === null || value === undefined ? "–" : `${+value.toPrecision(5)} ${one.unit}`);
    const reduced = one.low.length > 0, known = one.expected_low.length > 0;
    const edge = (label, stroke = css("curve"), width = 0, auto = width === 0) => ({
      label, stroke, width, points: { show: false }, value: (_, value) => shown(value), auto,
    });
    // What was expected lets a flagged stretch behind it be seen.
    const foreseen = ahead(one) !== null;
    const pairs = [...(known ? [`${css("expected")}a6`] : []), ...(reduced ? [css("band")] : [])];
    const bands = pairs.map((fill, place) => ({ series: [2 * place + 2, 2 * place + 1], fill }));
    const middle = 2 * pairs.length + 1;
    if (foreseen) bands.push({ series: [middle + 2, middle + 1], fill: css("ahead") });
    return {
      width: root.clientWidth, height, ms: 1,
      tzDate: (t) => uPlot.tzDate(new Date(t), zone),
      cursor: {
        sync: { key: sync.key, scales: ["x", null] },
        drag: { x: true, y: false, setScale: false },
        bind: { dblclick: () => () => zoom(4) },
      },
      scales: { x: { time: true, min: state.from, max: state.until }, y: { range: range(one, foreseen), ...(one.score ? { distr: 4, asinh: 2 } : {}) } },
      axes: [{ ...axis, values: TIMES }, { ...axis, size: 62, ...(one.score ? SCORES : {}) }],
      series: [
        { label: "time", value: (_, t) => (t === null ? "–" : moment(t)) },
        // The mean comes last, as a later series is drawn over the band of an earlier one.
        ...(known ? ["expected from", "expected to"].map((label) => edge(label, css("edge"), 1)) : []),
        ...(reduced ? [edge("lowest"), edge("highest")] : []),
        {
          label: one.score ? "score" : reduced ? "mean" : one.channel,
          stroke: css("curve"), width: 1.5, points: { show: one.t.length < 60 },
          value: (_, value) => shown(value),
        },
        ...(foreseen ? [
          ...["ahead from", "ahead to"].map((label) => edge(label, css("curve"), 0, false)),
          { ...edge("ahead", css("foreseen"), 1.5, true), dash: [2, 3] },
        ] : []),
      ],
      bands,
      legend: { markers: { show: false } },
      hooks: {
        drawClear: [shade],
        draw: [(plot) => overlay(plot, one)],
        setSelect: [(plot) => {
          const { left, width } = plot.select;
          if (width < 4) return;
          const edges = [left, left + width].map((at) => plot.posToVal(at, "x"));
          plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
          show(...edges);
        }],
      },
    };
  }

  function draw() {
    const score = state.data.score;
    const all = state.data.channels.filter((one) => one.t.length || one.limit_low !== null);
    const panels = all.map((one) => [one, columns(one, state.data.width_ms)]);
    if (score.t.length) {
      const one = { score: true, channel: "score", unit: "", t: score.t, mean: score.high, low: [], high: [], expected_low: [], expected_high: [] };
      panels.push([one, columns(one, score.width_ms)]);
    }
    const names = JSON.stringify(panels.map(([one]) => [one.channel, one.low.length > 0, one.expected_low.length > 0, one.t.length < 60, ahead(one) !== null]));
    if (names === root.dataset.panels) {
      panels.forEach(([, data], place) => {
        state.plots[place].setData(data, false);
        state.plots[place].setScale("x", { min: state.from, max: state.until });
      });
    } else {
      root.dataset.panels = names;
      build(panels);
    }
    tell();
  }

  function build(panels) {
    for (const plot of state.plots) plot.destroy();
    root.replaceChildren();
    state.plots = panels.map(([one, data]) => {
      const figure = document.createElement("figure");
      const caption = document.createElement("figcaption");
      caption.textContent = one.unit ? `${one.channel}, ${one.unit}` : one.channel;
      figure.append(caption);
      root.append(figure);
      const plot = new uPlot(options(one), data, figure);
      touch(plot);
      return plot;
    });
  }

  const format = new Intl.DateTimeFormat("en-GB", {
    timeZone: zone, year: "numeric", month: "short", day: "2-digit", hour: "2-digit", minute: "2-digit",
  });
  const moment = (t) => format.format(new Date(t));

  function tell() {
    const data = state.data;
    if (!data) return;
    const width = data.width_ms;
    const pieces = [[DAY, "d"], [HOUR, "h"], [MINUTE, "min"], [1e3, "s"]];
    const [size, unit] = pieces.find(([size]) => width >= size) || [1, "ms"];
    const how = width ? `lowest, mean and highest of each ${width / size} ${unit}` : "every reading";
    said.textContent = `${moment(state.from)} to ${moment(state.until)}: ${how}`;
    for (const link of document.querySelectorAll("[data-hours]")) link.removeAttribute("aria-current");
    root.dataset.shown = `${Math.round(state.from)},${Math.round(state.until)}`;
  }

  // ------------------------------------------------------------------ wheel, fingers, keys, links
  function touch(plot) {
    const fingers = new Map();
    let last = null;
    const spread = () => {
      const at = [...fingers.values()];
      return { middle: at.reduce((sum, x) => sum + x, 0) / at.length, width: Math.abs(at[0] - at[at.length - 1]) };
    };
    plot.over.addEventListener("pointerdown", (event) => {
      const drags = event.pointerType !== "mouse" || event.shiftKey || event.button === 1;
      if (!drags) return;
      event.stopImmediatePropagation();
      event.preventDefault();
      plot.over.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, event.offsetX);
      last = spread();
    });
    plot.over.addEventListener("pointermove", (event) => {
      if (!fingers.has(event.pointerId)) return;
      fingers.set(event.pointerId, event.offsetX);
      const now = spread(), a_pixel = (state.until - state.from) / plot.over.clientWidth;
      const by = (last.middle - now.middle) * a_pixel;
      show(state.from + by, state.until + by);
      if (last.width > 20 && now.width > 20) zoom(last.width / now.width, plot.posToVal(now.middle, "x"));
      last = now;
    });
    for (const end of ["pointerup", "pointercancel"]) {
      plot.over.addEventListener(end, (event) => {
        fingers.delete(event.pointerId);
        last = fingers.size ? spread() : null;
      });
    }
    // Shift drags the time along; without this the chart would mark a span as well.
    plot.over.addEventListener("mousedown", (event) => {
      if (event.shiftKey || event.button === 1) event.stopImmediatePropagation();
    }, true);
    // The wheel scrolls the page until somebody is at the chart, or holds Ctrl.
    plot.over.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !root.contains(document.activeElement)) return;
      event.preventDefault();
      if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        pan(Math.sign(event.deltaX || event.deltaY) * 0.1);
      } else {
        zoom(event.deltaY > 0 ? 1.25 : 0.8, plot.posToVal(event.offsetX, "x"));
      }
    }, { passive: false });
  }

  const keys = {
    ArrowLeft: () => pan(-0.25), ArrowRight: () => pan(0.25),
    PageUp: () => pan(-1), PageDown: () => pan(1),
    "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2),
    Home: () => show(bounds()[0], bounds()[0] + state.until - state.from),
    End: () => show(bounds()[1] - state.until + state.from, bounds()[1]),
    0: () => preset("all"),
  };
  root.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || !(event.key in keys)) return;
    event.preventDefault();
    keys[event.key]();
  });
  root.addEventListener("mousedown", () => root.focus({ preventScroll: true }));
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-hours], [data-pan], [data-zoom], [data-span]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const { hours, pan: share, zoom: factor, span } = link.dataset;
    if (hours) preset(hours);
    if (share) pan(Number(share));
    if (factor) zoom(Number(factor));
    if (span) {
      const [from, until] = span.split(",").map(Number);
      show(from, until);
      root.focus();
    }
    if (hours) link.setAttribute("aria-current", "true");
  });

  const again = () => { root.dataset.panels = ""; if (state.data) draw(); };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  new ResizeObserver(() => {
    for (const plot of state.plots) plot.setSize({ width: root.clientWidth, height });
  }).observe(root);
  setInterval(news, NEWS_MS);

  document.getElementById("still").hidden = true;
  for (const part of document.querySelectorAll("[data-scripted]")) part.hidden = false;
  fetchNow();
})();
