// Adds a button to each block of code that copies the block. A page that was not loaded over HTTPS, nor from
// this machine, has no access to the clipboard: its blocks get no button.
const shownFor = 1500; // ms

function addButton(block) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(block.textContent);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), shownFor);
  });
  const frame = document.createElement("div");
  frame.className = "code";
  block.replaceWith(frame);
  frame.append(block, button);
}

if (navigator.clipboard) document.querySelectorAll("main pre").forEach(addButton);
