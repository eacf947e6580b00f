"use strict";
/* The page has its data from a script beside it (window.VIEW, in a bundle), or asks the program every two seconds. */
const BUNDLE = window.VIEW ?? null;
const EVERY = 2000, ROWS_AT_ONCE = 100, MOST_COMPARED = 8;
const WORDS = {
  starting: "starting", running: "running", silent: "no news", finished: "finished", stopped: "stopped",
  failed: "failed", killed: "killed", incomplete: "incomplete", damaged: "damaged",
};
const ACTIVE = new Set(["starting", "running", "silent"]);
const ENDED = new Set(["stopped", "failed", "killed", "incomplete", "silent"]);

const at = (id) => document.getElementById(id);
const make = (tag, attributes = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), attributes);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
};
const put = (node, text) => { if (node.textContent !== text) node.textContent = text; };
const counted = (number, one) => `${number} ${one}${number === 1 ? "" : "s"}`;
const percent = (rate) => `${(100 * rate).toFixed(1)}\u00a0%`;
const known = (value) => value !== null && value !== undefined;

function duration(seconds) {
  if (Math.round(seconds) < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.round(hours / 24)} days`;
}
const gib = (mib) => (mib < 1024 ? `${Math.round(mib)} MiB` : `${(mib / 1024).toFixed(1)} GiB`);
/* Times are of the zone that this browser is in; the foot of the page says which. */
const two = (number) => String(number).padStart(2, "0");
function when(told) {
  const date = new Date(told);
  if (Number.isNaN(date.getTime())) return String(told);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}`;
}
function zone() {
  const ahead = -new Date().getTimezoneOffset(), minutes = Math.abs(ahead);
  const offset = ahead ? `UTC${ahead < 0 ? "−" : "+"}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}` : "UTC";
  const name = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
  return !name || name === offset ? offset : `${name} (${offset})`;
}
const few = (number) => (number >= 100 ? number.toFixed(0) : number >= 10 ? number.toFixed(1) : number.toFixed(2));

const items = new Map();  // identity → record
const rows = new Map();  // identity → row
const ticked = new Set();
const wholeOf = new Map();  // a part of a run → the run
const opened = new Set();  // runs whose parts are shown
let shown = ROWS_AT_ONCE, version = "", now = Date.now() / 1000, order = [];

/* What was chosen outlasts a look at a report. */
function remember() {
  try {
    const chosen = Object.fromEntries(["find", "suite", "policy", "state", "order"].map((id) => [id, at(id).value]));
    sessionStorage.setItem("view", JSON.stringify({ chosen, ticked: [...ticked], shown }));
  } catch { /* A page that was opened from a disk may have no storage. */ }
}
let waitingFor = {};  // what was chosen before and is not on offer yet
function recall() {
  try {
    const found = JSON.parse(sessionStorage.getItem("view") ?? "{}");
    waitingFor = found.chosen ?? {};
    for (const id of ["find", "state", "order"]) if (waitingFor[id]) at(id).value = waitingFor[id];
    for (const id of found.ticked ?? []) ticked.add(id);
    shown = found.shown ?? ROWS_AT_ONCE;
  } catch { /* As above. */ }
}

/* Addresses. */
const reportOf = (id, record) => (BUNDLE ? record.report ?? null : `report?run=${encodeURIComponent(id)}`);
const studyReport = (id, record) => (BUNDLE ? record.report ?? null : `report?study=${encodeURIComponent(id)}`);

/* A row is made once and changed in place, so that focus, ticks and open details stay. */
function makeRow(id) {
  const tick = make("input", { type: "checkbox" });
  const link = make("a"), about = make("small"), tags = make("small");
  const word = make("span", { className: "word" }), why = make("small", { className: "why" }), where = make("small");
  const done = make("span"), bar = make("span", { className: "bar" }, make("i")), errors = make("small", { className: "errors" });
  const rate = make("span", { className: "big" }), of = make("small");
  const whisker = make("span", { className: "whisker", ariaHidden: "true" }, make("i"), make("b")), length = make("small");
  const left = make("span"), pace = make("small");
  const toggle = make("button", { type: "button", textContent: "›", ariaExpanded: "false" });
  const facts = make("dl");
  const cell = (className, ...children) => make("td", { className }, ...children);
  const node = make("tr", {},
    cell("tick", tick), cell("run", link, about, tags, why), cell("state", word, where),
    cell("progress", done, bar, errors), cell("rate", rate, whisker, of, length), cell("pace", left, pace), cell("more", toggle));
  const inside = make("td", { colSpan: 7 }, make("div", { className: "box" }, facts));
  const details = make("tr", { className: "details", hidden: true }, inside);
  tick.onchange = () => { if (tick.checked) ticked.add(id); else ticked.delete(id); showTicked(); remember(); };
  toggle.onclick = () => {
    details.hidden = !details.hidden;
    toggle.ariaExpanded = String(!details.hidden);
    if (!details.hidden) showFacts(facts, items.get(id));
    if (!items.get(id).parts) return;
    if (details.hidden) opened.delete(id); else opened.add(id);
    list();
  };
  return { node, details, tick, link, about, tags, word, where, why, done, bar, errors, rate, whisker, of, length, left, pace, toggle, facts };
}

function update(row, id, record) {
  const address = reportOf(id, record), hasResults = Boolean(record.completed || record.errors);
  row.node.className = `s-${record.state in WORDS ? record.state : "incomplete"}${wholeOf.has(id) ? " part" : ""}`;
  row.details.className = `details${wholeOf.has(id) ? " part" : ""}`;
  row.node.dataset.run = id;
  put(row.link, record.name);
  if (address && hasResults && record.state !== "damaged") row.link.href = address; else row.link.removeAttribute("href");
  put(row.about, [record.suite, record.policy].filter(Boolean).join(" · "));
  put(row.tags, [partsOf(record), record.not_real?.length ? "not the real thing" : ""].filter(Boolean).join(" · "));
  row.tags.title = (record.not_real ?? []).join(" ");
  put(row.word, WORDS[record.state] ?? record.state);
  put(row.why, record.why ?? "");
  row.tick.checked = ticked.has(id);
  row.tick.disabled = BUNDLE !== null || (!hasResults && !row.tick.checked);
  row.tick.ariaLabel = `Compare ${record.name}`;
  row.toggle.ariaLabel = `${record.parts ? "Parts and details" : "Details"} of ${record.name}`;
  showProgress(row, record);
  showRate(row, record);
  showPace(row, record);
  showWhere(row, record);
  if (!row.details.hidden) showFacts(row.facts, record);
}

/* Whether a run is a part, has parts, or was merged from some. */
function partsOf(record) {
  if (record.part) return `part ${record.part}`;
  if (record.parts) return record.here === record.count ? counted(record.count, "part") : `${record.here} of ${counted(record.count, "part")}`;
  const merged = record.merged;
  if (!merged) return "";
  return merged.count ? `merged from ${counted(merged.count, merged.parts ? "part" : "run")}` : "merged";
}

function showProgress(row, record) {
  const finished = record.done ?? 0, planned = record.planned;
  if (record.counting) put(row.done, "counting …");
  else if (known(record.done)) put(row.done, known(planned) ? `${finished} of ${planned}` : `${finished}`);
  else put(row.done, "–");
  row.bar.hidden = !planned || record.counting;
  row.bar.firstChild.style.width = planned ? `${Math.min(100, (100 * finished) / planned)}%` : "0";
  put(row.errors, record.errors ? counted(record.errors, "error") : "");
}

function showRate(row, record) {
  const there = known(record.rate) && !record.counting && record.state !== "damaged";
  row.whisker.hidden = !there;
  put(row.rate, there ? percent(record.rate) : "–");
  put(row.of, there ? `${(100 * record.low).toFixed(1)}–${percent(record.high)} · ${record.successes}\u00a0of\u00a0${record.completed}` : "");
  const length = record.length;
  put(row.length, there && length ? `average length ${length.value.toFixed(2)} of ${length.of} (${length.low.toFixed(2)}\u2060–\u2060${length.high.toFixed(2)})` : "");
  if (!there) return;
  const [range, dot] = row.whisker.children;
  range.style.left = `${100 * record.low}%`;
  range.style.right = `${100 - 100 * record.high}%`;
  dot.style.left = `${100 * record.rate}%`;
}

function showPace(row, record) {
  const pace = record.now;
  if (pace) {
    put(row.left, known(pace.seconds_left) ? `about ${duration(pace.seconds_left)} left${pace.only_some ? " for the parts that run" : ""}` : "time left not known yet");
    const parts = [];
    if (known(pace.episodes_an_hour)) parts.push(`${few(pace.episodes_an_hour)}\u00a0episodes/h`);
    if (known(pace.queries_a_second)) parts.push(`${few(pace.queries_a_second)}\u00a0queries/s`);
    put(row.pace, parts.join(" · "));
    return;
  }
  put(row.left, "");
  put(row.pace, record.changed ? `last change ${BUNDLE ? when(record.changed * 1000) : duration(Math.max(0, now - record.changed)) + " ago"}` : "");
}

function showWhere(row, record) {
  const since = Date.parse(record.started ?? "") / 1000;
  const lasted = ACTIVE.has(record.state) && now > since ? `for ${duration(now - since)}` : "";
  put(row.where, [record.host && `on ${record.host}`, lasted].filter(Boolean).join(" "));
}

function showFacts(list, record) {
  const facts = [], pace = record.now;
  const fact = (name, value) => { if (known(value) && value !== "") facts.push([name, value]); };
  fact("Folder", record.path);
  fact("Merged from", record.merged?.runs.join(" · "));
  fact("Command", record.command);
  fact("Created", record.created && when(record.created));
  if (record.started && record.started !== record.created) fact(record.starts > 1 ? `Last of ${record.starts} starts` : "Started", when(record.started));
  fact("Machine", [record.host, record.cpu, record.cores && counted(record.cores, "core"), record.memory_gib && `${record.memory_gib} GiB`, ...(record.gpus ?? [])].filter(Boolean).join(" · "));
  fact("Engine", [record.engine, record.workers && counted(record.workers, "worker"), pace?.replicas && counted(pace.replicas, "policy replica")].filter(Boolean).join(" · "));
  if (pace) {
    fact("Machine now", [known(pace.machine_load) && `load ${few(pace.machine_load)}`, known(pace.memory_left_gib) && `${few(pace.memory_left_gib)} GiB free`].filter(Boolean).join(" · "));
    fact("Processes", processes(pace));
    if (known(pace.mean_batch)) fact("Queries a batch", few(pace.mean_batch));
    if (pace.restarts) fact("Workers replaced", String(pace.restarts));
  } else if (record.peak_mib) fact("Peak memory of a worker", gib(record.peak_mib));
  if (record.queries) fact("Queries", String(record.queries));
  fact("Latest error", record.error);
  for (const text of record.not_real ?? []) fact("Not the real thing", text);
  for (const text of record.warnings ?? []) fact("Note", text);
  list.replaceChildren(...facts.flatMap(([name, value]) => [make("dt", { textContent: name }), make("dd", {}, name === "Command" ? make("code", { textContent: value }) : value)]));
}

function processes(pace) {
  const said = (pace.processes ?? []).map((one) =>
    `${one.kind}${known(one.memory_mib) ? " " + gib(one.memory_mib) : ""}${known(one.load) ? `, ${Math.round(100 * one.load)} %` : ""}`);
  if (pace.more_processes) said.push(`${pace.more_processes} more`);
  return said.join(" · ");
}

/* Which runs are shown, and in which order. */
function matches(record) {
  const wanted = at("find").value.trim().toLowerCase(), state = at("state").value;
  if (at("suite").value && record.suite !== at("suite").value) return false;
  if (at("policy").value && record.policy !== at("policy").value) return false;
  if (state === "active" && !ACTIVE.has(record.state)) return false;
  if (state === "ended" && !ENDED.has(record.state)) return false;
  if (state === "errors" && !record.errors) return false;
  if ((state === "finished" || state === "damaged") && record.state !== state) return false;
  return !wanted || [record.name, record.path, record.suite, record.policy, record.title].some((text) => (text ?? "").toLowerCase().includes(wanted));
}
const byName = (a, b) => a.name.localeCompare(b.name, undefined, { numeric: true });
const orders = {
  active: (a, b) => ACTIVE.has(b.state) - ACTIVE.has(a.state) || (ACTIVE.has(a.state) ? byName(a, b) : b.changed - a.changed),
  changed: (a, b) => b.changed - a.changed,
  name: () => 0,
  best: (a, b) => (b.rate ?? -1) - (a.rate ?? -1),
  worst: (a, b) => (a.rate ?? 2) - (b.rate ?? 2),
  errors: (a, b) => (b.errors ?? 0) - (a.errors ?? 0),
  left: (a, b) => (a.now?.seconds_left ?? Infinity) - (b.now?.seconds_left ?? Infinity) || 0,
};

/* Runs, those in parts as one. */
const wholes = () => [...items].filter(([id, record]) => record.kind === "parts" || (record.kind === "run" && !wholeOf.has(id)));
const matchesWhole = (record) => matches(record) || (record.parts ?? []).some((id) => items.has(id) && matches(items.get(id)));

function list() {
  const by = orders[at("order").value], all = wholes();
  const found = all.filter(([, record]) => matchesWhole(record));
  found.sort(([, a], [, b]) => by(a, b) || byName(a, b));
  const runs = all.length;
  put(at("count"), runs ? (found.length === runs ? `${runs}` : `${found.length} of ${runs}`) : "");
  const visible = found.slice(0, shown).flatMap(([id, record]) => [id, ...(opened.has(id) ? record.parts ?? [] : []).filter((part) => items.has(part))]);
  const body = at("runs").tBodies[0];
  for (const id of visible) {
    if (rows.has(id)) continue;
    rows.set(id, makeRow(id));
    update(rows.get(id), id, items.get(id));
  }
  if (visible.join() !== order.join()) {
    const focused = document.activeElement;
    body.replaceChildren(...visible.flatMap((id) => [rows.get(id).node, rows.get(id).details]));
    if (focused && focused !== document.activeElement && body.contains(focused)) focused.focus({ preventScroll: true });
    order = visible;
  }
  at("more").hidden = found.length <= shown;
  put(at("more"), `Show ${Math.min(ROWS_AT_ONCE, found.length - shown)} more`);
  at("runs").hidden = visible.length === 0;
  at("none").hidden = visible.length > 0;
  put(at("none"), runs ? "No run is like that." : "There are no runs here yet. They appear as soon as one is started.");
}

function offer(id, values) {
  const select = at(id), there = [...select.options].slice(1).map((option) => option.value);
  const sorted = [...new Set(values)].filter(Boolean).sort();
  if (sorted.join("\n") !== there.join("\n")) {
    const chosen = select.value || waitingFor[id];
    select.replaceChildren(select.options[0], ...sorted.map((value) => make("option", { value, textContent: value })));
    if (sorted.includes(chosen)) select.value = chosen;
  }
}

/* Studies: what their arms come to together. */
function showStudies() {
  const found = [...items].filter(([, record]) => record.kind === "study").sort(([, a], [, b]) => byName(a, b));
  at("studies").hidden = found.length === 0;
  at("study-list").replaceChildren(...found.map(([id, record]) => studyCard(id, record)));
}
/* The run of an arm; of a study in parts the one that its parts come to. */
function runOf(arm) {
  const there = arm.runs.filter((id) => items.has(id)), whole = there.find((id) => wholeOf.has(id));
  return items.get(whole ? wholeOf.get(whole) : there[0]);
}
function studyCard(id, record) {
  const runs = record.arms.map(runOf).filter(Boolean);
  const done = runs.reduce((sum, run) => sum + (run.done ?? 0), 0), planned = runs.reduce((sum, run) => sum + (run.planned ?? 0), 0);
  const running = runs.filter((run) => ACTIVE.has(run.state)).length;
  const errors = runs.reduce((sum, run) => sum + (run.errors ?? 0), 0);
  const address = studyReport(id, record), results = runs.some((run) => run.completed);
  const title = address && results ? make("a", { href: address, textContent: record.title }) : make("span", { textContent: record.title });
  const bar = make("span", { className: "bar" }, make("i"));
  bar.firstChild.style.width = planned ? `${(100 * done) / planned}%` : "0";
  const arms = record.arms.length ? `${runs.length === record.arms.length ? "" : `${runs.length} of `}${counted(record.arms.length, "arm")}` : "";
  const said = [record.count ? counted(record.count, "part") : "", arms, planned ? `${done} of ${planned} episodes` : "", running ? `${running} running` : ""].filter(Boolean);
  return make("article", { className: `study${running ? "" : " s-finished"}` }, make("h3", {}, title),
    make("p", { className: "quiet", textContent: record.name }), record.why ? make("p", { className: "errors", textContent: record.why }) : bar,
    make("p", { className: "quiet", textContent: said.join(" · ") }), armList(record),
    errors ? make("p", { className: "errors", textContent: counted(errors, "error") }) : null);
}

function armList(record) {
  const lines = record.arms.slice(0, 8).map((arm) => {
    const run = runOf(arm), rate = run && known(run.rate) && run.state !== "damaged" ? percent(run.rate) : "–";
    return [make("dt", { textContent: arm.label + (arm.baseline ? " (baseline)" : "") }), make("dd", { textContent: rate, title: arm.stopped })];
  });
  return make("dl", { className: "arms" }, ...lines.flat());
}

function showSummary(answer) {
  const runs = wholes().map(([, record]) => record);
  const parts = [counted(runs.length, "run")];
  const tell = (number, words) => { if (number) parts.push(`${number} ${words}`); };
  tell(runs.filter((run) => ACTIVE.has(run.state)).length, "running");
  tell(runs.filter((run) => run.errors).length, "with errors");
  tell(runs.filter((run) => run.state === "damaged").length, "damaged");
  if (answer.counting) parts.push(`${answer.counting} still to be counted`);
  put(at("summary"), answer.ready || runs.length ? parts.join(" · ") : "Looking …");
  put(at("roots"), answer.roots.join(" · "));
  at("problems").hidden = !answer.problems.length;
  at("problems").querySelector("ul").replaceChildren(...answer.problems.map((one) => make("li", { textContent: [one.folder, one.why].filter(Boolean).join(": ") })));
}

function showTicked() {
  for (const id of ticked) if (!items.has(id) && version) ticked.delete(id);
  const many = ticked.size, compare = at("compare");
  at("ticked").hidden = many === 0;
  put(at("ticked-count"), many === 1 ? "1 run ticked; tick another to compare" : many > MOST_COMPARED ? `${many} runs ticked; ${MOST_COMPARED} at most` : `${many} runs ticked`);
  if (many > 1 && many <= MOST_COMPARED) compare.href = "report?" + [...ticked].map((id) => `run=${encodeURIComponent(id)}`).join("&");
  else compare.removeAttribute("href");
}

function take(answer) {
  const changed = answer.whole || Object.keys(answer.items).length > 0 || answer.gone.length > 0;
  if (answer.whole) for (const id of [...items.keys()]) if (!(id in answer.items)) items.delete(id);
  for (const id of answer.gone) items.delete(id);
  for (const [id, record] of Object.entries(answer.items)) items.set(id, record);
  for (const id of [...rows.keys()]) if (!items.has(id)) rows.delete(id);
  if (changed) {
    wholeOf.clear();
    for (const [id, record] of items) for (const part of record.parts ?? []) wholeOf.set(part, id);
  }
  version = answer.version;
  now = answer.now;
  for (const [id, row] of rows) {
    if (id in answer.items || row.node.classList.contains("part") !== wholeOf.has(id)) update(row, id, items.get(id));
    else { showPace(row, items.get(id)); showWhere(row, items.get(id)); }
  }
  if (changed) {
    const runs = [...items.values()].filter((record) => record.kind === "run");
    offer("suite", runs.map((run) => run.suite));
    offer("policy", runs.map((run) => run.policy));
    showStudies();
    showTicked();
    list();
  }
  showSummary(answer);
  document.documentElement.dataset.ready = answer.ready && !answer.counting ? "yes" : "filling";
}

async function follow() {
  let heard = null;
  for (;;) {
    if (!document.hidden) {
      try {
        const answer = await fetch(`api/changes?since=${encodeURIComponent(version)}`, { cache: "no-store" });
        if (!answer.ok) throw new Error(await answer.text());
        take(await answer.json());
        heard = new Date();
        at("trouble").hidden = true;
      } catch (error) {
        put(at("trouble"), `No answer from mmact-eval view${heard ? `; this is how things were at ${when(heard)}` : ""}. Start it again if it has ended.`);
        at("trouble").hidden = false;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, document.documentElement.dataset.ready === "yes" ? EVERY : 500));
  }
}

recall();
at("zone").textContent = `Times are local: ${zone()}.`;
at("tools").onsubmit = (event) => event.preventDefault();
at("tools").oninput = () => { waitingFor = {}; shown = ROWS_AT_ONCE; list(); remember(); };
at("more").onclick = () => { shown += ROWS_AT_ONCE; list(); remember(); };
at("clear").onclick = () => { ticked.clear(); for (const row of rows.values()) row.tick.checked = false; showTicked(); remember(); };
if (BUNDLE) {
  document.body.className = "bundle";
  at("made").textContent = `As of ${when(BUNDLE.now * 1000)}, ${BUNDLE.note}`;
  at("method").textContent = "Success is over completed episodes, with an exact 95 % interval; errors are counted apart.";
  take(BUNDLE);
} else follow();
