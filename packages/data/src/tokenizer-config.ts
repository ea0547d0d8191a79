import { KdError } from "@kd/contract";
import { z } from "zod";

const tokenSchema = z.union([z.string(), z.object({ content: z.string() }).transform(({ content }) => content)]);
const optionalToken = tokenSchema.nullish().transform((token) => token ?? undefined);
const addedTokenSchema = z.looseObject({
  content: z.string(),
  lstrip: z.boolean().optional(),
  rstrip: z.boolean().optional(),
  normalized: z.boolean().optional(),
  single_word: z.boolean().optional(),
  special: z.boolean().optional(),
});
const namedTemplates = z.array(z.object({ name: z.string(), template: z.string() }));

const tokenizerConfigSchema = z.looseObject({
  tokenizer_class: z.string().nullish(),
  bos_token: optionalToken,
  eos_token: optionalToken,
  pad_token: optionalToken,
  unk_token: optionalToken,
  add_bos_token: z.boolean().nullish(),
  model_max_length: z.number().positive().nullish(),
  added_tokens_decoder: z.record(z.string().regex(/^\d+$/), addedTokenSchema).optional(),
  chat_template: z.union([z.string(), namedTemplates]).nullish(),
});

const tokenizerSchema = z.looseObject({
  added_tokens: z.array(z.looseObject({ id: z.int().nonnegative(), content: z.string() })).default([]),
  normalizer: z.looseObject({ type: z.string() }).nullable().default(null),
  pre_tokenizer: z.looseObject({ type: z.string() }).nullable().default(null),
  post_processor: z.looseObject({ type: z.string() }).nullable().default(null),
  decoder: z.looseObject({ type: z.string() }).nullable().default(null),
  model: z.looseObject({
    type: z.string().optional(),
    unk_token: z.string().nullish(),
    vocab: z.custom<object>((vocab) => typeof vocab === "object" && vocab !== null, "expected a vocabulary"),
    merges: z.array(z.unknown()).optional(),
  }),
});

/** What is read of `tokenizer_config.json`. */
export interface TokenizerConfig {
  readonly tokenizer_class?: string | null | undefined;
  readonly bos_token?: string | undefined;
  readonly eos_token?: string | undefined;
  readonly pad_token?: string | undefined;
  readonly unk_token?: string | undefined;
  readonly add_bos_token?: boolean | null | undefined;
  readonly model_max_length?: number | null | undefined;
}

/** What a tokenizer's files say to a chat template. */
export interface ChatSettings {
  /** Source of the chat template in `tokenizer_config.json` (of several the one named `default`). */
  readonly chatTemplate: string | undefined;
  readonly bosToken: string | undefined;
  readonly eosToken: string | undefined;
}

/** `tokenizer.json` with nothing missing that the library asks for. */
export interface TokenizerFile {
  readonly added_tokens: readonly { readonly id: number; readonly content: string }[];
  readonly model: { readonly unk_token?: string | null | undefined };
}

/** Parses both files and adds to the first what only the second knows, as Transformers does. `file` names them in errors. Throws `KD_DATA`. */
export function parseTokenizerFiles(
  json: unknown,
  config: unknown,
  { file = "tokenizer.json" }: { file?: string } = {},
): { json: TokenizerFile; config: TokenizerConfig } {
  const parsed = tokenizerSchema.safeParse(json);
  if (!parsed.success)
    throw new KdError(
      "KD_DATA",
      `${file}: not a tokenizer that can be read; ${z.prettifyError(parsed.error)}; pass the parsed file`,
    );
  const settings = parseSettings(config, file.replace(/tokenizer\.json$/, "tokenizer_config.json"));
  const known = new Set(parsed.data.added_tokens.map((token) => token.content));
  const more = Object.entries(settings.added_tokens_decoder ?? {})
    .filter(([, token]) => !known.has(token.content))
    .map(([id, token]) => ({ id: Number(id), ...token }));
  return {
    json: { ...parsed.data, added_tokens: [...parsed.data.added_tokens, ...more] },
    config: settings,
  };
}

function parseSettings(config: unknown, file: string): z.output<typeof tokenizerConfigSchema> {
  const { success, data, error } = tokenizerConfigSchema.safeParse(config);
  if (!success) throw new KdError("KD_DATA", `${file}: ${z.prettifyError(error)}; correct or remove it`);
  return data;
}

/** What a chat template needs of a parsed `tokenizer_config.json`: its source (of several the one named `default`), BOS and EOS. Throws `KD_DATA`. */
export function chatSettings(config: unknown, file: string): ChatSettings {
  const { chat_template: found, bos_token: bosToken, eos_token: eosToken } = parseSettings(config, file);
  const chatTemplate = Array.isArray(found)
    ? (found.find(({ name }) => name === "default") ?? found[0])?.template
    : found;
  return { chatTemplate: chatTemplate ?? undefined, bosToken, eosToken };
}
