import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { KdError } from "@kd/contract";
import type { Json, Source } from "../folder-files.ts";

/** What each file is, and where a user gets it. */
const NEEDED = {
  "config.json": "the model's configuration; give the folder of a Hugging Face LLaVA model",
  "tokenizer.json": "the fast tokenizer; put the one of the language model here, with the image token added",
  "tokenizer_config.json": "the tokenizer's settings and chat template; put the one of the language model here",
  "preprocessor_config.json": "sizes, mean and deviation of pixels; put the one of the vision tower here",
} as const;

/**
 * The small files of a LLaVA folder, parsed.
 *
 * @throws KdError `KD_CONFIG` naming the first one that is missing, or is no JSON object, and what to put there.
 */
export async function readSource(folder: string): Promise<Source> {
  const optional = async (name: string) => {
    const text = await readText(join(folder, name));
    return text === undefined ? undefined : parse(text, join(folder, name));
  };
  const needed = async (name: keyof typeof NEEDED) =>
    (await optional(name)) ?? fail(join(folder, name), `expected ${NEEDED[name]}`);
  const config = await needed("config.json");
  const tokenizer = await needed("tokenizer.json");
  const tokenizerConfig = await needed("tokenizer_config.json");
  const processor = (await optional("processor_config.json")) ?? {};
  const nested = processor.image_processor as Json | undefined; // transformers 5 writes it there
  const preprocessor =
    (await optional("preprocessor_config.json")) ?? nested ?? (await needed("preprocessor_config.json"));
  const template =
    (await readText(join(folder, "chat_template.jinja"))) ?? (await optional("chat_template.json"))?.chat_template;
  return {
    folder,
    config,
    tokenizer,
    tokenizerText: (await readText(join(folder, "tokenizer.json"))) ?? "",
    tokenizerConfig,
    preprocessor,
    processor,
    generation: await optional("generation_config.json"),
    template: typeof template === "string" ? template : undefined,
    card: await readText(join(folder, "README.md")),
  };
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    return fail(path, `expected a readable file, got ${code}; check the folder`, { cause });
  }
}

function parse(text: string, path: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    return fail(path, `expected JSON, got ${(cause as Error).message}; correct the file`, { cause });
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Json;
  return fail(path, "expected a JSON object; correct the file");
}

function fail(where: string, message: string, options?: ErrorOptions): never {
  throw new KdError("KD_CONFIG", `${where}: ${message}`, options);
}
