import { fileURLToPath } from "node:url";

/** What can be computed again. */
export const CACHE_FOLDER: string = fileURLToPath(new URL("../../../../.cache/emoji", import.meta.url));
