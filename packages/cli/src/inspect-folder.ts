import { join } from "node:path";
import { KdError } from "@kd/contract";
import { loadChatTemplate } from "@kd/data/node";
import { readSafetensors } from "@kd/safetensors/node";
import { parseLoraConfig } from "@kd/slm";
import { isAdapter } from "./adapter.ts";
import { readJson } from "./json-file.ts";
import { type Layout, type ModelLayout, readLayout, type Tensors } from "./model-layout.ts";
import { resolveFolder } from "./resolve-folder.ts";
import { readTextFiles, readTokens } from "./text-files.ts";

/** What a model folder holds; plain data. */
export interface Inspection {
  readonly folder: string;
  readonly layout: Layout;
  readonly model_type: string;
  readonly parts: readonly {
    readonly name: string;
    readonly tensors: number;
    readonly parameters: number;
    readonly bytes: number;
    readonly dtypes: readonly string[];
  }[];
  readonly sizes: ModelLayout["sizes"];
  readonly tokenizer: {
    readonly tokens: number;
    readonly chat_template: boolean;
    readonly eos_token_ids: readonly number[];
  } | null;
  readonly image: ModelLayout["image"];
  /** What is missing, too much or does not fit; empty for a sound folder. */
  readonly findings: readonly string[];
}

/** Reads a model folder, or an id of the hub, without its weights. */
export async function inspectFolder(folderOrId: string): Promise<Inspection> {
  const folder = await resolveFolder(folderOrId);
  if (await isAdapter(folder)) return inspectAdapter(folder);
  const config = await readJson(join(folder, "config.json"));
  const findings: string[] = [];
  const { layout, shapes, sizes, image, tensors } = await readLayout(folder, config, findings);
  if (shapes !== undefined) findings.push(...compare(tensors, shapes));
  return {
    folder,
    layout,
    model_type: String(config.model_type ?? "none"),
    parts: partsOf(tensors, layout),
    sizes,
    tokenizer: await inspectTokenizer(folder, layout, sizes.vocab_size as number | undefined, findings),
    image,
    findings,
  };
}

/** What is counted of a tensor. */
interface Sized {
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Bytes. */
  readonly length: number;
}

/** A PEFT adapter: its sizes, and the base that it names. */
async function inspectAdapter(folder: string): Promise<Inspection> {
  const file = join(folder, "adapter_config.json");
  const raw = await readJson(file);
  const findings: string[] = [];
  const { tensors } = await readSafetensors(join(folder, "adapter_model.safetensors"));
  const located = [...tensors].map(
    ([name, { dtype, shape, data }]) => [name, { dtype, shape, length: data.byteLength }] as const,
  );
  let sizes: Inspection["sizes"] = {};
  try {
    const { r, lora_alpha, lora_dropout, target_modules } = parseLoraConfig(raw, file);
    sizes = { base_model: raw.base_model_name_or_path ?? "not named", r, lora_alpha, lora_dropout, target_modules };
  } catch (error) {
    if (!KdError.is(error)) throw error;
    findings.push(error.message.replaceAll(/\s*\n\s*/g, " "));
  }
  return {
    folder,
    layout: "peft-adapter",
    model_type: "none",
    parts: partsOf(new Map(located), "peft-adapter"),
    sizes,
    tokenizer: null,
    image: null,
    findings,
  };
}

const UNREAD = /vision_model\.head\.|position_ids$|lm_head\.weight$|^text_model\.|^logit_(scale|bias)$/;
const SHOWN = 5;

function compare(tensors: Tensors, shapes: ReadonlyMap<string, readonly number[]>): string[] {
  const listed = (what: string, names: readonly string[]): string[] =>
    names.length === 0
      ? []
      : [`${names.length} ${what}: ${names.slice(0, SHOWN).join(", ")}${names.length > SHOWN ? ", …" : ""}`];
  const missing = [...shapes.keys()].filter((name) => !tensors.has(name));
  const extra = [...tensors.keys()].filter((name) => !shapes.has(name) && !UNREAD.test(name));
  const misshapen = [...shapes].flatMap(([name, shape]) => {
    const got = tensors.get(name)?.shape;
    return got === undefined || got.join() === shape.join() ? [] : [`${name} [${got}] instead of [${shape}]`];
  });
  return [
    ...listed("missing tensors", missing),
    ...listed("tensors of no part", extra),
    ...listed("tensors of another shape", misshapen),
  ];
}

function partsOf(tensors: ReadonlyMap<string, Sized>, layout: Layout): Inspection["parts"] {
  const partOf = (name: string): string => {
    if (layout === "unknown") return name.split(".")[0] as string;
    if (layout === "peft-adapter") return "adapter";
    if (layout === "language-model" || layout === "vision-tower") return layout.replace("-", " ");
    if (name.startsWith("vision_tower.")) return "vision tower";
    return name.startsWith("multi_modal_projector.") || name === "image_newline" ? "projector" : "language model";
  };
  const parts = new Map<string, { tensors: number; parameters: number; bytes: number; dtypes: Set<string> }>();
  for (const [name, { dtype, shape, length }] of tensors) {
    const part = parts.get(partOf(name)) ?? { tensors: 0, parameters: 0, bytes: 0, dtypes: new Set<string>() };
    part.tensors++;
    part.parameters += shape.reduce((product, size) => product * size, 1);
    part.bytes += length;
    parts.set(partOf(name), { ...part, dtypes: part.dtypes.add(dtype) });
  }
  return [...parts].map(([name, part]) => ({ name, ...part, dtypes: [...part.dtypes].sort() }));
}

async function inspectTokenizer(
  folder: string,
  layout: Layout,
  vocabulary: number | undefined,
  findings: string[],
): Promise<Inspection["tokenizer"]> {
  if (layout === "vision-tower") return null;
  try {
    const { eosTokenIds, tokenizer } = await readTextFiles(folder);
    const tokens = await readTokens(folder);
    const chatTemplate = await loadChatTemplate(folder, { tokenizer });
    const beyond = [...tokens.keys()].filter((id) => vocabulary !== undefined && id >= vocabulary);
    if (beyond.length > 0)
      findings.push(`the tokenizer has ${beyond.length} ids beyond the embedding's ${vocabulary} rows`);
    if (eosTokenIds.length === 0) findings.push("no end token: answers end at their greatest length");
    return { tokens: tokens.size, chat_template: chatTemplate !== undefined, eos_token_ids: eosTokenIds };
  } catch (error) {
    if (!KdError.is(error)) throw error;
    findings.push(error.message);
    return null;
  }
}
