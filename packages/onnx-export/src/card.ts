/** What the Hub reads to show how such a folder is used. */
const LIBRARY = "library_name: transformers.js";

/** The model's card for its ONNX folder: its own with the library named, or a short one. */
export function onnxCard(card: string | undefined, dtype: string): string {
  if (card === undefined)
    return `---\n${LIBRARY}\npipeline_tag: image-text-to-text\n---\n\nA LLaVA model as ONNX (${dtype}) for transformers.js, written by @kd/onnx-export.\n`;
  const [, fields, body] = /^---\r?\n([\s\S]*?\n|)---\r?\n([\s\S]*)$/.exec(card) ?? ["", "", `\n${card}`];
  const others = fields?.replace(/^library_name:.*\r?\n/m, "");
  return `---\n${others}${LIBRARY}\n---\n${body}`;
}
