import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { KdError } from "@kd/contract";
import { createTokenizer, type TextTokenizer } from "@kd/data";
import { readJson, readJsonIfThere } from "./json-file.ts";

type Json = Readonly<Record<string, unknown>>;

/** What a model folder says about text. */
export interface TextFiles {
  readonly tokenizer: TextTokenizer;
  readonly tokenizerJson: Json;
  readonly tokenizerConfig: Json;
  /** Jinja; undefined where the folder has none. */
  readonly chatTemplate: string | undefined;
  /** Generation ends before one of these. */
  readonly eosTokenIds: readonly number[];
}

/** Reads tokenizer, chat template and end tokens of a model folder. Throws `KD_CONFIG` or `KD_DATA` with the file's name. */
export async function readTextFiles(folder: string): Promise<TextFiles> {
  const path = join(folder, "tokenizer.json");
  const tokenizerJson = await readJson(path);
  const tokenizerConfig = (await readJsonIfThere(join(folder, "tokenizer_config.json"))) ?? {};
  const tokens = tokensById(tokenizerJson);
  const eos = contentOf(tokenizerConfig.eos_token);
  const named = [...tokens].filter(([, token]) => token === eos).map(([id]) => id);
  const generation = (await readJsonIfThere(join(folder, "generation_config.json"))) ?? {};
  const config = (await readJsonIfThere(join(folder, "config.json"))) ?? {};
  const ids = [generation, config, (config.text_config ?? {}) as Json].flatMap(({ eos_token_id: id }) => id ?? []);
  return {
    tokenizer: openTokenizer(tokenizerJson, tokenizerConfig, path),
    tokenizerJson,
    tokenizerConfig,
    chatTemplate: await readChatTemplate(folder, tokenizerConfig),
    eosTokenIds: [...new Set([...ids, ...named])].filter((id) => typeof id === "number"),
  };
}

function openTokenizer(json: Json, config: Json, path: string): TextTokenizer {
  try {
    return createTokenizer(json, config);
  } catch (cause) {
    if (KdError.is(cause)) throw new KdError(cause.code, `${path}: ${cause.message}`, { cause });
    throw cause;
  }
}

/** A file of its own, as transformers writes it now, or a field of `tokenizer_config.json`. */
async function readChatTemplate(folder: string, config: Json): Promise<string | undefined> {
  const alone = await readFile(join(folder, "chat_template.jinja"), "utf8").catch(() => undefined);
  const inJson = (await readJsonIfThere(join(folder, "chat_template.json")))?.chat_template;
  const field = config.chat_template;
  const named = Array.isArray(field) ? field.find(({ name }) => name === "default")?.template : field;
  return [alone, inJson, named].find((text) => typeof text === "string") as string | undefined;
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

/** A special token as `tokenizer_config.json` writes it: a text, or an object with one. */
export const contentOf = (token: unknown): string =>
  typeof token === "string"
    ? token
    : String((token as { readonly content?: string } | null | undefined)?.content ?? "");
