// Searches the guides and problem codes in the index /docs/search.json. Without JavaScript
// the search field stays hidden and the pages are complete.
const box = document.querySelector("#search-box");
const field = document.querySelector("#search");
const found = document.querySelector("#found");
const count = document.querySelector("#found-count");
const maxShown = 12;
let entries;

const wordsOf = (text) => text.toLowerCase().split(/\s+/).filter(Boolean);

// score returns the relevance of an entry, or 0 if it does not contain all words. A word in
// the heading counts more than one in the text.
function score(entry, words) {
  let sum = 0;
  for (const word of words) {
    const title = entry.title.toLowerCase();
    if (title.includes(word)) sum += title === word ? 100 : 10;
    else if (entry.guide.toLowerCase().includes(word)) sum += 3;
    else if (entry.text.toLowerCase().includes(word)) sum += 1;
    else return 0;
  }
  return sum;
}

function row(entry) {
  const link = document.createElement("a");
  link.href = entry.path;
  link.textContent = entry.title === entry.guide ? entry.guide : `${entry.guide}: ${entry.title}`;
  const item = document.createElement("li");
  item.append(link);
  return item;
}

async function search() {
  entries ??= fetch("/docs/search.json").then((response) => response.json());
  const all = await entries.catch(() => {
    entries = undefined; // the next input loads the index again
    return [];
  });
  const words = wordsOf(field.value);
  const hits = words.length === 0 ? [] : all.map((entry) => [score(entry, words), entry]).filter(([relevance]) => relevance > 0);
  hits.sort(([a], [b]) => b - a);
  found.replaceChildren(...hits.slice(0, maxShown).map(([, entry]) => row(entry)));
  count.textContent = words.length === 0 ? "" : hits.length === 0 ? "Nothing found." : `${hits.length} found`;
}

// move handles the keys: the arrows move between the field and the links, Enter opens the
// first link, and Escape clears the field.
function move(event) {
  const stops = [field, ...found.querySelectorAll("a")];
  const at = stops.indexOf(document.activeElement);
  if (event.key === "Escape") {
    field.value = "";
    field.focus();
    search();
  } else if (event.key === "Enter" && at === 0 && stops.length > 1) {
    stops[1].click();
  } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    stops[at + (event.key === "ArrowDown" ? 1 : -1)]?.focus();
    event.preventDefault();
  }
}

box.hidden = false;
box.addEventListener("keydown", move);
field.addEventListener("input", search);
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target === field || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  field.focus();
});
