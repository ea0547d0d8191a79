export { loadAdapter, type SaveAdapter, saveAdapter } from "./adapter.ts";
export { type LoadParams, loadParams } from "./load-params.ts";
export { type LoadSlm, loadSlm } from "./load-slm.ts";
export { saveSlm } from "./save-slm.ts";
