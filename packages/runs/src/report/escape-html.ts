const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text as it may stand in HTML and in attributes: a caption with a script shows as text. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] as string);
}

/** Text for an attribute that a library writes, which may leave some of these as they are. */
export function plainLabel(text: string): string {
  return text.replace(/[&<>"']/g, " ");
}
