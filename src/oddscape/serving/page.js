// The page: takes a picture, asks the server once, and repaints the answer as the controls move.

import { drawHistogram, markAbove, rangeOf } from "./histogram.js";
import { readMaps } from "./maps.js";
import { drawBoxes, paintClasses, paintHeat, paintOpenSet } from "./painting.js";
import { findRegions } from "./regions.js";

const LONGER_SIDE = 1600; // pixels of the maps that are shown; files to keep are of the picture's own size
const LISTED = 50;
const STRENGTHS = { open_set: 0.5, heat: 1, classes: 0.6 };
const NO_RULES = { min_region: 1, low: null };

const $ = (id) => document.getElementById(id);
const stage = $("stage");
const choices = await (await fetch("detectors")).json();
const state = {
  file: null, asking: null, shown: null, maps: null, range: null, threshold: null,
  mask: null, regions: [], lit: null, strengths: { ...STRENGTHS },
};

const chosen = () => choices.detectors[$("detector").value];
// What is shown may not be what is chosen: an answer takes a while, and may not come.
const detector = () => choices.detectors[state.shown.detector];
const isOwnScore = () => state.shown.score === detector().score;
const ownThreshold = () => (isOwnScore() ? detector().threshold : null);
const rules = () => (isOwnScore() ? detector().rules : NO_RULES);
const view = () => document.querySelector("[name=view]:checked").value;
const percent = (share) => (share > 0 && share < 1e-4 ? "< 0.01 %" : `${(100 * share).toFixed(share < 0.1 ? 2 : 1)} %`);
const shortly = (score, digits = 4) => Number(score.toPrecision(digits)).toString();
const count = (number, word) => `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;

// ---- choosing a detector, a score and a picture

function offerDetectors() {
  $("detector").replaceChildren(...Object.keys(choices.detectors).map((name) => new Option(name)));
  const { upload, pixels, kinds } = choices.limits;
  $("file").accept = kinds.map((kind) => `image/${kind.toLowerCase()}`).join();
  $("limits").textContent =
    `${kinds.join(", ")}; up to ${shortly(upload / 2 ** 20)} MB and ${shortly(pixels / 1e6)} million pixels`;
  offerScores();
}

function offerScores() {
  const { score, scores } = chosen();
  const label = (name) => (name === score ? `${name} (own)` : name);
  $("score").replaceChildren(...Object.keys(scores).map((name) => new Option(label(name), name)));
  sayFormula();
}

function sayFormula() {
  $("formula").textContent = `Score: ${chosen().scores[$("score").value]}`;
}

function choose(file) {
  if (!file) return;
  state.file = file;
  predict();
}

// ---- asking the server

/** Post a picture; a busy server is asked again a few times. */
async function ask({ file, detector, score }, answer, more, signal) {
  const path = `predict.${answer}?${new URLSearchParams({ detector, score, ...more })}`;
  for (let tries = 0; ; tries++) {
    const response = await fetch(path, { method: "POST", body: file, signal }).catch(() => null);
    if (response === null) throw new Error("The server does not answer: is oddscape serve still running?");
    if (response.ok) return response;
    const { error } = await response.json().catch(() => ({ error: `the server answered ${response.status}` }));
    if (response.status !== 503 || tries === 4) throw new Error(error);
    await new Promise((wait) => setTimeout(wait, 1000 * (response.headers.get("Retry-After") ?? 1)));
  }
}

async function predict() {
  if (!state.file) return;
  state.asking?.abort();
  const asking = (state.asking = new AbortController());
  const asked = { file: state.file, detector: $("detector").value, score: $("score").value };
  const told = tellProgress(asked.file.name);
  try {
    refuseTooLarge(asked.file);
    const [response, photograph] = await Promise.all([
      ask(asked, "safetensors", { side: LONGER_SIDE }, asking.signal), photographOf(asked.file),
    ]);
    const maps = readMaps(await response.arrayBuffer());
    if (asking === state.asking) show(asked, maps, photograph);
  } catch (error) {
    if (asking === state.asking) complain(error);
  } finally {
    told.end(asking === state.asking);
  }
}

function refuseTooLarge(file) {
  const most = choices.limits.upload;
  if (file.size > most) {
    throw new Error(`${file.name} has ${shortly(file.size / 2 ** 20)} MB; ${shortly(most / 2 ** 20)} MB are the most`);
  }
}

/** The picture as the browser decodes it; null where only the server can say what is wrong with it. */
async function photographOf(file) {
  return createImageBitmap(file).catch(() => null);
}

function tellProgress(name) {
  const start = performance.now();
  const tick = () => ($("seconds").textContent = `${Math.round((performance.now() - start) / 1000)} s`);
  $("error").hidden = true;
  $("wait").hidden = false;
  $("result").classList.add("stale");
  $("doing").textContent = `Looking at ${name} …`;
  tick();
  const timer = setInterval(tick, 1000);
  return {
    end(isLast) {
      clearInterval(timer);
      if (!isLast) return;
      $("wait").hidden = true;
      $("result").classList.remove("stale");
    },
  };
}

function complain(error) {
  $("error").textContent = error.message;
  $("error").hidden = false;
}

// ---- showing the answer

function show(shown, maps, photograph) {
  Object.assign(state, { shown, maps, range: rangeOf(maps.score), lit: null });
  for (const id of ["photograph", "painted", "marks"]) {
    $(id).width = maps.width;
    $(id).height = maps.height;
  }
  if (photograph) $("photograph").getContext("2d").drawImage(photograph, 0, 0, maps.width, maps.height);
  stage.style.maxWidth = `calc(75vh * ${maps.width / maps.height})`;
  document.body.classList.add("answered");
  $("result").hidden = false;
  drawHistogram($("histogram"), maps.score, state.range, ownThreshold());
  sayRules();
  setThreshold(ownThreshold());
}

function sayRules() {
  const { min_region: smallest, low } = rules();
  const said = [];
  if (smallest > 1) said.push(`regions of at least ${count(smallest, "pixel")}`);
  if (low !== null) said.push(`grown to scores above ${shortly(low)}`);
  $("rules").textContent = said.length ? `The detector’s rules: ${said.join(", ")}.` : "";
  $("own").disabled = ownThreshold() === null;
}

let repainting = 0;
function setThreshold(threshold) {
  state.threshold = threshold;
  const { lowest, highest } = state.range;
  const shown = threshold ?? highest;
  $("threshold").value = (1000 * (shown - lowest)) / (highest - lowest);
  $("threshold").setAttribute("aria-valuetext", threshold === null ? "none" : shortly(threshold));
  if (document.activeElement !== $("exact")) $("exact").value = threshold === null ? "" : shortly(threshold);
  cancelAnimationFrame(repainting);
  repainting = requestAnimationFrame(redecide);
}

/** After the threshold: which pixels are anomalous, and everything that tells of them. */
function redecide() {
  Object.assign(state, findRegions(state.maps, state.threshold, rules()), { lit: null });
  markAbove($("histogram"), state.threshold);
  summarise();
  listRegions();
  listClasses();
  repaint();
}

function repaint() {
  const { maps, mask, range, strengths } = state;
  const colours = detector().classes.map(({ colour }) => colour), strength = strengths[view()];
  const painted = {
    open_set: () => paintOpenSet(maps, mask, colours, choices.anomaly_colour, strength),
    heat: () => paintHeat(maps, range, choices.heat, strength),
    classes: () => paintClasses(maps, colours, strength),
  }[view()]();
  $("painted").getContext("2d").putImageData(painted, 0, 0);
  $("strength").value = strength;
  redrawBoxes();
}

function redrawBoxes() {
  drawBoxes($("marks"), $("boxes").checked ? state.regions.slice(0, LISTED) : [], state.lit);
}

function summarise() {
  const { mask, regions, threshold } = state;
  const share = mask.reduce((sum, value) => sum + value, 0) / mask.length;
  const text = threshold === null
    ? "No threshold belongs to this score: move the slider to set one."
    : `${percent(share)} of the pixels are anomalous, in ${count(regions.length, "region")}.`;
  $("summary").textContent = text;
  $("painted").setAttribute("aria-label", `${document.querySelector("[name=view]:checked + span").textContent}. ${text}`);
}

function pictureScale() {
  const { width, height, pictureWidth, pictureHeight } = state.maps;
  return (pictureWidth * pictureHeight) / (width * height);
}

function listRegions() {
  const { regions } = state, scale = pictureScale();
  const rows = regions.slice(0, LISTED).map((region, index) => {
    const row = document.createElement("tr");
    const cells = [index + 1, Math.round(region.area * scale).toLocaleString("en"), shortly(region.mean, 3), shortly(region.highest, 3)];
    cells.forEach((text, column) => {
      const cell = row.insertCell();
      cell.textContent = text;
      cell.classList.toggle("number", column > 0);
    });
    row.addEventListener("pointerenter", () => light(region));
    row.addEventListener("pointerleave", () => light(null));
    return row;
  });
  $("regions").replaceChildren(...rows);
  $("regions-scroll").hidden = !regions.length;
  $("no-regions").textContent = !regions.length ? "None." : regions.length > LISTED ? `The ${LISTED} largest of ${regions.length.toLocaleString("en")}.` : "";
}

function light(region) {
  state.lit = region;
  redrawBoxes();
}

/** Classes by how much of the picture they take, anomalies first. */
function listClasses() {
  const { maps, mask } = state, { classes } = detector();
  const counts = new Uint32Array(classes.length + 1);
  for (let index = 0; index < mask.length; index++) counts[mask[index] ? classes.length : maps.classes[index]]++;
  const known = classes.map((each, index) => ({ ...each, share: counts[index] / mask.length }));
  const anomaly = { name: "anomaly", colour: choices.anomaly_colour, share: counts[classes.length] / mask.length };
  const shown = known.filter(({ share }) => share > 0).sort((a, b) => b.share - a.share);
  $("legend").replaceChildren(...[anomaly, ...shown].map(legendEntry));
}

function legendEntry({ name, colour, share }) {
  const entry = document.createElement("li"), label = document.createElement("span");
  const chip = document.createElement("span"), part = document.createElement("span");
  chip.className = "chip";
  chip.style.background = `rgb(${colour})`;
  part.className = "share";
  part.textContent = percent(share);
  label.append(chip, name);
  entry.append(label, part);
  return entry;
}

// ---- the wipe between photograph and result, and what lies under the pointer

function wipeTo(share) {
  stage.style.setProperty("--wipe", `${Math.max(0, Math.min(100, share))}%`);
}

function wipeToPointer(event) {
  const box = stage.getBoundingClientRect();
  $("wipe").value = (100 * (event.clientX - box.left)) / box.width;
  wipeTo(Number($("wipe").value));
}

function readOut(event) {
  const box = stage.getBoundingClientRect(), { maps, mask } = state;
  const x = Math.floor(((event.clientX - box.left) / box.width) * maps.width);
  const y = Math.floor(((event.clientY - box.top) / box.height) * maps.height);
  if (x < 0 || y < 0 || x >= maps.width || y >= maps.height) return;
  const index = y * maps.width + x, name = detector().classes[maps.classes[index]].name;
  const place = `${Math.floor(((x + 0.5) * maps.pictureWidth) / maps.width)}, ${Math.floor(((y + 0.5) * maps.pictureHeight) / maps.height)}`;
  $("readout").textContent = `At ${place}: ${mask[index] ? `anomaly, else ${name}` : name}; score ${shortly(maps.score[index])}`;
}

// ---- files to keep

async function keep(button) {
  const { shown, threshold } = state, { keep: kind } = button.dataset;
  const stem = (shown.file.name || "picture").replace(/\.[^.]*$/, "");
  const names = { shown: `${stem}_shown.png`, png: `${stem}_classes.png`, npy: `${stem}_score.npy`, json: `${stem}_regions.json` };
  const fromServer = async () => (await ask(shown, kind, threshold === null ? {} : { threshold })).blob();
  $("error").hidden = button.disabled = true;
  try {
    save(await (kind === "shown" ? shownPicture() : fromServer()), names[kind]);
  } catch (error) {
    complain(error);
  } finally {
    button.disabled = false;
  }
}

function shownPicture() {
  const { width, height } = state.maps, canvas = new OffscreenCanvas(width, height), context = canvas.getContext("2d");
  const left = (Number($("wipe").value) / 100) * width;
  context.drawImage($("photograph"), 0, 0);
  context.beginPath();
  context.rect(left, 0, width - left, height);
  context.clip();
  context.drawImage($("painted"), 0, 0);
  context.drawImage($("marks"), 0, 0);
  return canvas.convertToBlob();
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// ---- controls

const on = (id, event, act) => $(id).addEventListener(event, act);

on("detector", "change", () => { offerScores(); predict(); });
on("score", "change", () => { sayFormula(); predict(); });
on("choices", "submit", (event) => event.preventDefault());
on("file", "change", (event) => { choose(event.target.files[0]); event.target.value = ""; });
on("view", "change", () => { summarise(); repaint(); });
on("strength", "input", (event) => { state.strengths[view()] = Number(event.target.value); repaint(); });
on("boxes", "change", redrawBoxes);
on("wipe", "input", (event) => wipeTo(Number(event.target.value)));
on("own", "click", () => setThreshold(ownThreshold()));
on("exact", "change", (event) => { if (event.target.value !== "") setThreshold(Number(event.target.value)); });
on("threshold", "input", (event) => {
  const { lowest, highest } = state.range;
  setThreshold(lowest + (Number(event.target.value) / 1000) * (highest - lowest));
});
on("stage", "pointerdown", (event) => { stage.setPointerCapture(event.pointerId); wipeToPointer(event); });
on("stage", "pointermove", (event) => { if (event.buttons) wipeToPointer(event); readOut(event); });
on("stage", "pointerleave", () => ($("readout").textContent = ""));
for (const button of document.querySelectorAll("[data-keep]")) button.addEventListener("click", () => keep(button));

document.addEventListener("paste", (event) => choose(event.clipboardData.files[0]));
document.addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("dragging"); });
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("dragging"); });
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dragging");
  choose(event.dataTransfer.files[0]);
});

offerDetectors();
wipeTo(0);
