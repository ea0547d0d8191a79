export { createKeyValueCache, disposeKeyValueCache, type KeyValueCache } from "./cache.ts";
export { parseQwen2Config, type Qwen2Config, qwen2ConfigSchema } from "./config.ts";
export { type EmbedTokens, embedTokens } from "./embed-tokens.ts";
export { type Qwen2Forward, qwen2Forward, qwen2Outputs } from "./forward.ts";
export { type GreedyDecode, greedyDecode } from "./greedy-decode.ts";
export { initQwen2 } from "./init.ts";
export { headName, qwen2Shapes } from "./names.ts";
