import { join } from "node:path";
import { z } from "zod";
import { readJsonIfThere } from "./read-json.ts";

const id = z.int().nonnegative();
const added = z.array(z.looseObject({ id, content: z.string() }));
const fastSchema = z.looseObject({
  model: z.looseObject({ vocab: z.union([z.record(z.string(), id), z.array(z.unknown())]) }),
  added_tokens: added.default([]),
});
const slowSchema = z.record(z.string(), id);
const configSchema = z.looseObject({
  added_tokens_decoder: z.record(z.string(), z.looseObject({ content: z.string() })),
});

/** What is known of a folder's tokenizer without loading it. */
export interface TokenizerIds {
  readonly largest: number;
  /** Id of the added token `<image>`, where it has one. */
  readonly image?: number;
}

/** Largest id of `tokenizer.json`, or of `vocab.json` with `added_tokens.json` and `tokenizer_config.json`; undefined without either. */
export async function tokenizerIds(folder: string): Promise<TokenizerIds | undefined> {
  const read = (name: string) => readJsonIfThere(join(folder, name), `a ${name}`);
  const ids = new Map<string, number>();
  let largest = -1;
  const add = (content: string, value: number) => {
    ids.set(content, value);
    largest = Math.max(largest, value);
  };
  const fast = fastSchema.safeParse(await read("tokenizer.json"));
  if (fast.success) {
    const { vocab } = fast.data.model;
    if (Array.isArray(vocab))
      largest = vocab.length - 1; // Unigram: an id is a place
    else for (const value of Object.values(vocab)) largest = Math.max(largest, value);
    for (const token of fast.data.added_tokens) add(token.content, token.id);
  } else {
    const vocab = slowSchema.safeParse(await read("vocab.json"));
    if (!vocab.success) return undefined;
    for (const value of Object.values(vocab.data)) largest = Math.max(largest, value);
    const more = slowSchema.safeParse(await read("added_tokens.json"));
    for (const [content, value] of Object.entries(more.data ?? {})) add(content, value);
    const config = configSchema.safeParse(await read("tokenizer_config.json"));
    for (const [value, { content }] of Object.entries(config.data?.added_tokens_decoder ?? {}))
      add(content, Number(value));
  }
  const image = ids.get("<image>");
  return { largest, ...(image === undefined ? {} : { image }) };
}
