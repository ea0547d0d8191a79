import { join } from "node:path";
import type { PretrainedTokenizer } from "@kd/data";
import { loadTokenizer } from "@kd/data/node";
import { readJson, readJsonIfThere } from "./json-file.ts";

type Json = Readonly<Record<string, unknown>>;

/** What a model folder says about text. */
export interface TextFiles {
  readonly folder: string;
  readonly tokenizer: PretrainedTokenizer;
  /** Generation ends before one of these. */
  readonly eosTokenIds: readonly number[];
}

/** Reads tokenizer and end tokens of a model folder. Throws `KD_CONFIG` or `KD_DATA` with the file's name. */
export async function readTextFiles(folder: string): Promise<TextFiles> {
  const tokenizer = await loadTokenizer(folder);
  const generation = (await readJsonIfThere(join(folder, "generation_config.json"))) ?? {};
  const config = (await readJsonIfThere(join(folder, "config.json"))) ?? {};
  const given = [generation, config, (config.text_config ?? {}) as Json].flatMap(({ eos_token_id: id }) => id ?? []);
  const named = tokenizer.eosToken === undefined ? undefined : tokenizer.idOf(tokenizer.eosToken);
  const ids = [...given, named].filter((id) => typeof id === "number");
  return { folder, tokenizer, eosTokenIds: [...new Set(ids)] };
}

/** Every token of a folder's `tokenizer.json` by its id. */
export async function readTokens(folder: string): Promise<Map<number, string>> {
  return tokensById(await readJson(join(folder, "tokenizer.json")));
}

/** Every token of a `tokenizer.json` by its id. */
export function tokensById(json: Json): Map<number, string> {
  const tokens = new Map<number, string>();
  const vocab = (json.model as { readonly vocab?: unknown } | undefined)?.vocab;
  if (Array.isArray(vocab)) for (const [id, entry] of vocab.entries()) tokens.set(id, String(entry[0]));
  else for (const [token, id] of Object.entries(vocab ?? {})) tokens.set(id as number, token);
  for (const { id, content } of (json.added_tokens ?? []) as { id: number; content: string }[]) tokens.set(id, content);
  return tokens;
}
