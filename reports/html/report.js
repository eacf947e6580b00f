"use strict";
const DATA = JSON.parse(document.getElementById("data").textContent);
const WORDS = { S: "success", F: "failure", E: "error", ".": "no result" };
const CLIPS_AT_ONCE = 12;
const CELL = 13, GAP = 2, BAND = 8;  // pixels of a cell, between cells, between lines of a task that wraps
const MARGIN = 8;  // pixels left of the cells, for the arms' colours
/* What a capture of the whole page shows without scrolling: so many cells and videos, the rest as it comes into view. */
let cellsDrawn = 4000, videosLoaded = 24;

const make = (tag, attributes = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), attributes);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
};
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const nameOf = (task) => task.name.replaceAll("_", " ");

/* Media lie in the page as text; a browser's object is made of them when somebody looks. */
const objects = new Map();
function urlOf(media) {
  if (media.src !== undefined) return media.src;
  if (!objects.has(media.id)) {
    const text = atob(document.getElementById("media" + media.id).textContent);
    const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
    objects.set(media.id, URL.createObjectURL(new Blob([bytes], { type: media.type })));
  }
  return objects.get(media.id);
}

/* Videos of the gallery are made when they come into view, the first ones soon after the page is there. */
const loads = new WeakMap();
const inView = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) load(entry.target);
}, { rootMargin: "200px" });
function load(place) {
  inView.unobserve(place);
  loads.get(place)?.();
  loads.delete(place);
}

/* A video's first frame as its poster: browsers paint no video that is out of sight, which captures and paper show. */
function still(video) {
  const picture = make("canvas", { width: video.videoWidth, height: video.videoHeight });
  try {
    picture.getContext("2d").drawImage(video, 0, 0);
    video.poster = picture.toDataURL("image/jpeg", 0.8);
  } catch { /* A file beside a page that was opened from a disk may not be read. */ }
}

/* A video with what the policy said beside it. */
function player(suite, detail, eager) {
  const box = make("div", { className: "screen" });
  let video = null;
  const loaded = () => {
    video = make("video", { muted: true, loop: true, playsInline: true, preload: "metadata", tabIndex: 0, title: "Play", src: urlOf(detail.video) });
    video.addEventListener("loadeddata", () => {
      if (video.currentTime > 0 || !video.paused) return;  // somebody is at another place already
      video.addEventListener("seeked", () => still(video), { once: true });
      video.currentTime = 0.001;  // a frame is there to be drawn only after a seek
    }, { once: true });
    // The controls would cover the picture until it is played.
    const play = () => { if (!video.controls) { video.controls = true; video.play().catch(() => {}); } };
    video.addEventListener("click", play, { once: true });
    video.addEventListener("keydown", (event) => { if (event.key === "Enter") play(); });
    return video;
  };
  if (detail.video) {
    if (eager) box.append(loaded());
    else {
      const place = make("div", { className: "still" });
      box.append(place);
      loads.set(place, () => { if (video === null) place.replaceWith(loaded()); });
      inView.observe(place);
      if (videosLoaded-- > 0) setTimeout(() => load(place));
    }
  }
  const words = make("div");
  if (detail.error) words.append(make("p", { className: "outcome-E", textContent: detail.error }));
  if (detail.plan) {
    const list = make("ul", { className: "plan", ariaLabel: "What the policy said" });
    for (const said of detail.plan) {
      const step = make("button", { type: "button", textContent: said.step === null ? "–" : "step " + said.step });
      step.disabled = !detail.video || !suite.hz;
      step.onclick = () => {
        if (video === null) load(box.querySelector(".still"));
        video.currentTime = said.step / suite.hz;
      };
      const image = said.image ? make("img", { src: urlOf(said.image), alt: "image the policy generated" }) : null;
      list.append(make("li", {}, step, make("span", { textContent: said.text }), image));
    }
    words.append(list);
  }
  if (detail.images) words.append(make("div", { className: "images" }, ...detail.images.map((image) =>
    make("img", { src: urlOf(image), alt: image.label, title: image.label }))));
  return [box, words];
}

const outcomeOf = (suite, arm, task, column) => suite.tasks[task].outcomes[arm][column];
const letters = (suite, task, column) => suite.tasks[task].outcomes.map((row) => row[column]);
/* Solved by some arms and not by others: errors and missing results say nothing. */
const isFlip = (suite, task, column) => {
  const found = letters(suite, task, column);
  return !suite.blocked.includes(1) && found.includes("S") && found.includes("F");  // not of arms that must not be compared
};

function label(suite, arm, task, column) {
  const of = suite.tasks[task], [init, seed] = of.episodes[column];
  const letter = of.outcomes[arm][column], steps = of.steps[arm][column];
  return { init, seed, letter, text: `${suite.arms[arm]}: ${WORDS[letter]}` + (steps === null ? "" : `, ${steps} steps`) };
}

/* One episode, all arms side by side. */
function showEpisode(suite, task, column) {
  const [init, seed] = suite.tasks[task].episodes[column];
  const sides = suite.arms.map((name, arm) => {
    const { letter, text } = label(suite, arm, task, column);
    const detail = suite.details[`${arm}.${task}.${column}`] ?? {};
    const [box, words] = player(suite, detail, true);
    words.prepend(make("p", {}, make("b", { className: "outcome-" + letter, textContent: text })));
    if (!detail.video) words.append(make("p", { className: "quiet", textContent: "no video kept" }));
    return make("article", { className: "clip" }, box, words);
  });
  const dialog = document.getElementById("episode");
  dialog.querySelector(".body").replaceChildren(
    make("h3", { textContent: nameOf(suite.tasks[task]) }),
    make("p", { className: "quiet", textContent: `init state ${init}, seed ${seed}` }),
    make("div", { className: "sides" }, ...sides));
  dialog.showModal();
}

/* The grid: a canvas for each task, drawn when it comes into view. */
function grid(section, suite) {
  const holder = section.querySelector(".grid"), hint = document.getElementById("hint");
  const arms = suite.arms.length;
  const strips = suite.tasks.map((task, number) => {
    const canvas = make("canvas"), count = make("span");
    const node = make("div", { className: "strip" }, make("div", { className: "name" }, make("b", { textContent: nameOf(task) }), count), canvas);
    const strip = { node, canvas, count, number, columns: [], perLine: 1, drawn: false, visible: false, always: (cellsDrawn -= arms * task.episodes.length) >= 0 };
    const at = (event) => {
      const x = Math.floor((event.offsetX - MARGIN) / (CELL + GAP)), height = arms * (CELL + GAP) + BAND;
      const line = Math.floor(event.offsetY / height), arm = Math.floor((event.offsetY % height) / (CELL + GAP));
      const place = line * strip.perLine + x;
      return x >= 0 && x < strip.perLine && arm < arms && place < strip.columns.length ? [arm, strip.columns[place]] : null;
    };
    canvas.onclick = (event) => { const hit = at(event); if (hit) { hint.hidden = true; showEpisode(suite, number, hit[1]); } };
    canvas.onmousemove = (event) => {
      const hit = at(event);
      hint.hidden = hit === null;
      if (hit === null) return;
      const [init, seed] = task.episodes[hit[1]];
      hint.textContent = `init state ${init}, seed ${seed}\n` + suite.arms.map((_, arm) => label(suite, arm, number, hit[1]).text).join("\n");
      hint.style.left = Math.min(event.clientX + 14, innerWidth - 260) + "px";
      hint.style.top = Math.min(event.clientY + 14, innerHeight - 40 - 22 * arms) + "px";
    };
    canvas.onmouseleave = () => { hint.hidden = true; };
    return strip;
  });
  holder.append(...strips.map((strip) => strip.node));

  function layout(strip) {
    strip.perLine = Math.max(1, Math.floor((holder.clientWidth - MARGIN + GAP) / (CELL + GAP)));
    const lines = Math.ceil(strip.columns.length / strip.perLine);
    const width = MARGIN + Math.min(strip.columns.length, strip.perLine) * (CELL + GAP), height = lines * (arms * (CELL + GAP) + BAND);
    strip.canvas.style.width = width + "px";
    strip.canvas.style.height = height + "px";
    strip.size = [width, height];
    strip.drawn = false;
  }

  function draw(strip) {
    const [width, height] = strip.size, scale = devicePixelRatio || 1;
    strip.canvas.width = width * scale;
    strip.canvas.height = height * scale;
    const pen = strip.canvas.getContext("2d");
    pen.scale(scale, scale);
    const fills = { S: colour("--success"), F: colour("--failure"), E: colour("--error") }, ink = colour("--ink"), quiet = colour("--quiet");
    for (let top = 0; top < height; top += arms * (CELL + GAP) + BAND) {
      suite.colours.forEach((number, arm) => { pen.fillStyle = colour("--a" + number); pen.fillRect(0, top + arm * (CELL + GAP), 4, CELL); });
    }
    strip.columns.forEach((column, place) => {
      const x = MARGIN + (place % strip.perLine) * (CELL + GAP), top = Math.floor(place / strip.perLine) * (arms * (CELL + GAP) + BAND);
      const first = outcomeOf(suite, 0, strip.number, column);
      for (let arm = 0; arm < arms; arm++) {
        const letter = outcomeOf(suite, arm, strip.number, column), y = top + arm * (CELL + GAP);
        if (letter === ".") {
          pen.strokeStyle = quiet; pen.lineWidth = 1; pen.setLineDash([2, 2]);
          pen.strokeRect(x + 0.5, y + 0.5, CELL - 1, CELL - 1); pen.setLineDash([]);
          continue;
        }
        pen.fillStyle = fills[letter];
        pen.fillRect(x, y, CELL, CELL);
        if (letter === "E") {  // told apart without colour, too
          pen.strokeStyle = "#fff"; pen.lineWidth = 1.5; pen.beginPath();
          pen.moveTo(x + 4, y + 4); pen.lineTo(x + CELL - 4, y + CELL - 4); pen.moveTo(x + CELL - 4, y + 4); pen.lineTo(x + 4, y + CELL - 4); pen.stroke();
        }
        if (arm > 0 && !suite.blocked[arm] && (first + letter === "SF" || first + letter === "FS")) {
          pen.strokeStyle = ink; pen.lineWidth = 2;
          pen.strokeRect(x + 1, y + 1, CELL - 2, CELL - 2);
        }
      }
    });
    strip.canvas.ariaLabel = `${nameOf(suite.tasks[strip.number])}: ${strip.columns.length} episodes`;
    strip.drawn = true;
  }

  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const strip = strips.find((one) => one.node === entry.target);
      strip.visible = entry.isIntersecting;
      if (strip.visible && !strip.drawn) draw(strip);
    }
  }, { rootMargin: "300px" });
  const refresh = () => strips.forEach((strip) => { layout(strip); if (strip.visible || strip.always) draw(strip); });

  function choose(which) {
    for (const strip of strips) {
      const task = suite.tasks[strip.number], all = task.episodes.map((_, column) => column);
      strip.columns = which === "all" ? all : all.filter((column) => which === "flips" ? isFlip(suite, strip.number, column)
        : letters(suite, strip.number, column).some((letter) => letter === "F" || letter === "E"));
      strip.count.textContent = which === "all" ? `${all.length} episodes` : `${strip.columns.length} of ${all.length} episodes`;
      strip.node.hidden = strip.columns.length === 0;
    }
    refresh();
  }
  section.querySelector(".show").onchange = (event) => choose(event.target.value);
  choose("all");
  strips.forEach((strip) => watcher.observe(strip.node));
  let width = holder.clientWidth;
  new ResizeObserver(() => { if (holder.clientWidth !== width) { width = holder.clientWidth; refresh(); } }).observe(holder);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", refresh);
  addEventListener("beforeprint", () => strips.forEach((strip) => { if (!strip.drawn) draw(strip); }));
}

/* Task bars: find and order. */
function taskBars(section, suite) {
  const holder = section.querySelector(".tasks"), nodes = [...holder.children];
  const rate = (number) => {
    const all = suite.tasks[number].outcomes.join("").replace(/[^SF]/g, "");
    return all.length ? all.split("S").length / all.length : 2;
  };
  const flips = (number) => suite.tasks[number].episodes.filter((_, column) => isFlip(suite, number, column)).length;
  const keys = { given: () => 0, worst: rate, flips: (number) => -flips(number) };
  section.querySelector(".order").onchange = (event) => {
    const key = keys[event.target.value];
    const sorted = nodes.map((node) => [key(+node.dataset.task), +node.dataset.task, node]).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    holder.append(...sorted.map((entry) => entry[2]));
  };
  section.querySelector(".find").oninput = (event) => {
    const wanted = event.target.value.toLowerCase().replaceAll("_", " ");
    for (const node of nodes) node.hidden = !nameOf(suite.tasks[node.dataset.task]).toLowerCase().includes(wanted);
    section.querySelectorAll(".strip").forEach((node, number) => {
      node.style.display = nameOf(suite.tasks[number]).toLowerCase().includes(wanted) ? "" : "none";
    });
  };
}

/* Videos, by outcome, arm and task; a few at a time. */
function gallery(section, suite) {
  const clips = Object.entries(suite.details).filter(([, detail]) => detail.video).map(([key, detail]) => {
    const [arm, task, column] = key.split(".").map(Number);
    return { arm, task, column, detail, letter: outcomeOf(suite, arm, task, column), flip: isFlip(suite, task, column) };
  }).sort((a, b) => a.task - b.task || a.column - b.column || a.arm - b.arm);
  if (!clips.length) return;
  const box = section.querySelector(".videos");
  box.hidden = false;
  const holder = box.querySelector(".gallery"), more = box.querySelector(".more"), count = box.querySelector(".count");
  const outcome = box.querySelector(".outcome"), arm = box.querySelector("select.arm"), task = box.querySelector(".of-task");
  for (const number of new Set(clips.map((clip) => clip.task))) task.append(make("option", { value: number, textContent: nameOf(suite.tasks[number]) }));
  if (!clips.some((clip) => clip.letter !== "S")) outcome.value = "SFE";
  let chosen = [], shown = 0;
  const card = (clip) => {
    const [video, words] = player(suite, clip.detail, false), { init, seed, text } = label(suite, clip.arm, clip.task, clip.column);
    words.prepend(make("p", {}, make("b", { className: "outcome-" + clip.letter, textContent: text })),
      make("p", { textContent: `${nameOf(suite.tasks[clip.task])}, init state ${init}, seed ${seed}` + (clip.flip ? " · solved by another arm" : "") }));
    if (clip.flip && clip.letter === "S") words.children[1].textContent = words.children[1].textContent.replace("solved by another", "failed by another");
    return make("article", { className: "clip" }, video, words);
  };
  const extend = () => {
    holder.append(...chosen.slice(shown, shown + CLIPS_AT_ONCE).map(card));
    shown = Math.min(shown + CLIPS_AT_ONCE, chosen.length);
    more.hidden = shown >= chosen.length;
    count.textContent = chosen.length === 1 ? "1 video" : `${chosen.length} videos`;
  };
  const filter = () => {
    chosen = clips.filter((clip) => (outcome.value === "flips" ? clip.flip : outcome.value.includes(clip.letter))
      && (!arm || arm.value === "" || clip.arm === +arm.value) && (task.value === "" || clip.task === +task.value));
    holder.replaceChildren();
    shown = 0;
    extend();
  };
  for (const select of [outcome, arm, task]) if (select) select.onchange = filter;
  more.onclick = extend;
  filter();
}

for (const section of document.querySelectorAll("main.suite")) {
  const suite = DATA[section.dataset.suite];
  grid(section, suite);
  taskBars(section, suite);
  gallery(section, suite);
}
document.getElementById("episode").addEventListener("click", (event) => { if (event.target === event.currentTarget) event.currentTarget.close(); });
document.getElementById("episode").addEventListener("close", (event) => event.currentTarget.querySelector(".body").replaceChildren());
/* Paper has no folds and is not scrolled. */
let unfolded = [];
addEventListener("beforeprint", () => {
  unfolded = [...document.querySelectorAll("details:not([open])")];
  for (const fold of unfolded) fold.open = true;
  for (const place of document.querySelectorAll(".gallery .still")) load(place);
});
addEventListener("afterprint", () => { for (const fold of unfolded) fold.open = false; });
document.documentElement.dataset.ready = "yes";
