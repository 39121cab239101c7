// What htmx leaves open: say so where the server does not answer at all.
document.addEventListener("htmx:sendError", (event) => {
  const target = event.detail.target;
  if (!target) return;
  const line = document.createElement("p");
  line.className = "error";
  line.textContent = "The application does not answer. Is it running, and are you on its network?";
  target.replaceChildren(line);
});
