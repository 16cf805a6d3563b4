// What the page holds for its scripts: colours, and each section's rows, pictures and thresholds.
const page = JSON.parse(document.querySelector("#page-data").textContent);
page.parts = [...document.querySelectorAll("script.part-data")].map((held) => JSON.parse(held.textContent));
