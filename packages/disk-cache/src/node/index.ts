export { contentHash, hashFiles } from "./content-hash.ts";
export { type CacheSize, type DiskCache, type DiskCacheOptions, openDiskCache } from "./disk-cache.ts";
export { keyHash } from "./index-entry.ts";
