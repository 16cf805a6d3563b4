"use strict";
const controls = document.querySelector(".controls");
const gallery = document.querySelector(".gallery");
const cards = [...gallery.children];

// Highest first; paths from A on. Equal ones keep the order of the ranking.
const byPath = (a, b) => (a.dataset.path < b.dataset.path ? -1 : 1);
const byFigure = (name) => (a, b) =>
  Number(b.dataset[name]) - Number(a.dataset[name]) || Number(a.dataset.rank) - Number(b.dataset.rank);

function sort() {
  const name = controls.sort.value;
  gallery.append(...cards.sort(name === "path" ? byPath : byFigure(name)));
  if (cards[0]?.querySelector(`.figure.${name}`)) gallery.dataset.by = name;
}

function filter() {
  const wanted = controls.filter.value.trim().toLowerCase();
  for (const card of cards) card.hidden = !card.dataset.path.toLowerCase().includes(wanted);
  const shown = cards.filter((card) => !card.hidden).length;
  controls.querySelector("output").textContent = `${shown} of ${cards.length} shown`;
}

controls.hidden = false;
controls.sort.addEventListener("change", sort);
controls.filter.addEventListener("input", filter);
controls.boxes.addEventListener("change", () =>
  gallery.classList.toggle("plain-pictures", !controls.boxes.checked));
controls.addEventListener("submit", (event) => event.preventDefault());
filter();
