import { stat } from "node:fs/promises";
import { join } from "node:path";
import { KdError } from "@kd/contract";
import { cachedSnapshot } from "./hub-cache.ts";
import { download } from "./hub-download.ts";

/** Options of {@link resolveModelFolder}. */
export interface ResolveModelFolder {
  /** Hugging Face's cache. @defaultValue as in Python: `HF_HUB_CACHE`, `HF_HOME/hub` or `~/.cache/huggingface/hub` */
  readonly cacheDir?: string;
  /** What asks the network. @defaultValue the global `fetch` */
  readonly fetch?: typeof fetch;
  /** @defaultValue "https://huggingface.co" */
  readonly hubUrl?: string;
  /** For a gated or private model. */
  readonly accessToken?: string;
  /** Whether the network may be asked when the cache has not got the model. @defaultValue true */
  readonly download?: boolean;
}

/** An id of the hub, "org/name", and its revision. */
export interface HubModel {
  readonly name: string;
  readonly revision: string;
}

/**
 * The folder of a model: a folder as it is; an id "org/name" or "org/name\@revision" from Hugging Face's cache, where Python's tools have it,
 * too, or downloaded into that cache.
 *
 * @throws KdError `KD_CONFIG` saying what was tried and how to get the model by hand.
 */
export async function resolveModelFolder(idOrFolder: string, options: ResolveModelFolder = {}): Promise<string> {
  if ((await stat(idOrFolder).catch(() => undefined))?.isDirectory()) return idOrFolder;
  const model = parseId(idOrFolder);
  if (model === undefined)
    throw new KdError(
      "KD_CONFIG",
      `${idOrFolder}: expected a folder or an id "org/name" or "org/name@revision", got neither`,
    );
  const cacheDir = options.cacheDir ?? (await import("@huggingface/hub")).getHFHubCachePath();
  const cached = await cachedSnapshot(model, cacheDir);
  if (cached !== undefined) return cached;
  if (options.download === false) throw unresolved(model, cacheDir, "the network was not asked");
  try {
    return await download(model, { ...options, cacheDir });
  } catch (error) {
    if (KdError.is(error)) throw error;
    throw unresolved(model, cacheDir, reasonOf(error), error);
  }
}

function parseId(text: string): HubModel | undefined {
  const [, name, revision = "main"] = /^([\w-][\w.-]*\/[\w-][\w.-]*)(?:@([\w-][\w./-]*))?$/.exec(text) ?? [];
  return name === undefined || revision.includes("..") ? undefined : { name, revision };
}

function unresolved({ name, revision }: HubModel, cacheDir: string, why: string, cause?: unknown): KdError {
  const at = revision === "main" ? "" : ` --revision ${revision}`;
  return new KdError(
    "KD_CONFIG",
    `${name}@${revision}: expected a model in the cache ${join(cacheDir, `models--${name.replace("/", "--")}`)} or on the hub, got neither: ${why}; ` +
      `where there is a network run "hf download ${name}${at} --local-dir FOLDER" and give FOLDER instead of the id, or copy the cache and set HF_HOME`,
    { cause },
  );
}

/** `fetch failed` alone says nothing: the reason is its cause. */
function reasonOf(error: unknown): string {
  const { message, cause, statusCode } = error as Error & { cause?: Error; statusCode?: number };
  if (statusCode === 401 || statusCode === 403)
    return `the hub answered ${statusCode}: ${message}; give an accessToken that may read it`;
  if (statusCode !== undefined) return `the hub answered ${statusCode}: ${message}; check the id and the revision`;
  return `the network failed: ${message}${cause?.message ? ` (${cause.message})` : ""}`;
}
