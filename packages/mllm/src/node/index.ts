export { type LoadLlava, loadLlava } from "./load-llava.ts";
export { type SaveLlava, saveLlava } from "./save-llava.ts";
