import { join } from "node:path";
import { KdError } from "@kd/contract";
import { type ChatTemplate, type ChatTemplateOptions, createChatTemplate } from "../chat-template.ts";
import { createTokenizer, type PretrainedTokenizer } from "../tokenizer.ts";
import { type ChatSettings, chatSettings } from "../tokenizer-config.ts";
import { readJsonObject, readText } from "./read-json.ts";

/** Special tokens of `special_tokens_map.json` that the configuration does not name. */
async function configOf(folder: string): Promise<object> {
  const config = (await readJsonObject(join(folder, "tokenizer_config.json"))) ?? {};
  const special = (await readJsonObject(join(folder, "special_tokens_map.json"))) ?? {};
  const known = Object.entries(config).filter(([, value]) => value !== null);
  return { ...special, ...Object.fromEntries(known) };
}

/**
 * The tokenizer of a model's folder: `tokenizer.json`, with `tokenizer_config.json` and `special_tokens_map.json` where they are.
 * Throws `KD_DATA` naming the file.
 */
export async function loadTokenizer(folder: string): Promise<PretrainedTokenizer> {
  const file = join(folder, "tokenizer.json");
  const json = await readJsonObject(file);
  if (json === undefined)
    throw new KdError(
      "KD_DATA",
      `${file}: expected a fast tokenizer, got no such file; convert vocab.json or tokenizer.model with Transformers: AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)`,
    );
  return createTokenizer(json, await configOf(folder), { file });
}

/** How {@link loadChatTemplate} reads. */
export interface LoadChatTemplate extends ChatTemplateOptions {
  /** The folder's tokenizer where it is loaded. @defaultValue `tokenizer_config.json` and `special_tokens_map.json` are read */
  readonly tokenizer?: ChatSettings;
}

/**
 * The chat template of a model's folder (`chat_template.jinja`, else `chat_template.json`, else the one in `tokenizer_config.json`) with its
 * BOS and EOS, or undefined where there is none. Throws `KD_DATA`, `KD_CONFIG` for a template that does not parse.
 */
export async function loadChatTemplate(
  folder: string,
  { tokenizer, ...options }: LoadChatTemplate = {},
): Promise<ChatTemplate | undefined> {
  const settings = tokenizer ?? chatSettings(await configOf(folder), join(folder, "tokenizer_config.json"));
  const named = (await readJsonObject(join(folder, "chat_template.json"))) as { chat_template?: unknown } | undefined;
  const candidates = [
    { file: "chat_template.jinja", source: await readText(join(folder, "chat_template.jinja")) },
    { file: "chat_template.json", source: named?.chat_template },
    { file: "tokenizer_config.json", source: settings.chatTemplate },
  ];
  const found = candidates.find(({ source }) => source !== undefined);
  if (found === undefined) return undefined;
  const file = join(folder, found.file);
  if (typeof found.source !== "string")
    throw new KdError("KD_DATA", `${file}: expected chat_template to be text, got ${typeof found.source}; correct it`);
  const { bosToken, eosToken } = settings;
  return createChatTemplate(found.source, { name: file, bosToken, eosToken, ...options });
}
