import { stat } from "node:fs/promises";
import { join } from "node:path";
import { KdError } from "@kd/contract";
import { type Llava, mergeAdapter as mergeInto, withAdapter as putOn } from "@kd/mllm";
import { mergeAdapter, type Slm, withAdapter } from "@kd/slm";
import { loadAdapter } from "@kd/slm/node";
import { dispose, type Params } from "@kd/tensor-core";
import { readJson } from "./json-file.ts";
import { resolveFolder } from "./resolve-folder.ts";

/** A model's folder and the PEFT adapter to put on it. */
export interface BaseAndAdapter {
  readonly folder: string;
  readonly adapter?: string | undefined;
}

const isThere = async (path: string): Promise<boolean> => (await stat(path).catch(() => undefined)) !== undefined;

/** Whether a folder is a PEFT adapter and no whole model. */
export const isAdapter = async (folder: string): Promise<boolean> =>
  (await isThere(join(folder, "adapter_config.json"))) && !(await isThere(join(folder, "config.json")));

/** What a folder or an id of the hub stands for: a model, or an adapter, which names its base as PEFT writes it. Throws `KD_CONFIG`. */
export async function withBase(folderOrId: string, adapter?: string): Promise<BaseAndAdapter> {
  const folder = await resolveFolder(folderOrId);
  if (!(await isAdapter(folder)))
    return { folder, ...(adapter === undefined ? {} : { adapter: await resolveFolder(adapter) }) };
  const path = join(folder, "adapter_config.json");
  const { base_model_name_or_path: base } = await readJson(path);
  if (typeof base !== "string" || base === "")
    throw new KdError(
      "KD_CONFIG",
      `${path}: expected base_model_name_or_path, got ${JSON.stringify(base)}; give the base's folder, and this one with --adapter`,
    );
  const beside = join(folder, base); // a path that starts at the adapter, where it is none from here
  const near = !(await isThere(base)) && (await isThere(beside));
  return { folder: await resolveFolder(near ? beside : base), adapter: folder };
}

/** The language model with the adapter in its weights; the weights that it replaces are freed. */
export async function adapted(model: Required<Slm>, adapter: string): Promise<Required<Slm>> {
  const { params } = await loadedInto(model, adapter, (loaded) => mergeAdapter(withAdapter(model, loaded)));
  return { ...model, params };
}

/** The same of a LLaVA. */
export function adaptedLlava(model: Llava, adapter: string): Promise<Llava> {
  const slm = { config: model.config.text_config, params: model.params };
  return loadedInto(slm, adapter, (loaded) => mergeInto(putOn(model, loaded)));
}

async function loadedInto<M extends { readonly params: Params }>(
  { config, params }: Slm,
  folder: string,
  merge: (adapter: Awaited<ReturnType<typeof loadAdapter>>) => M,
): Promise<M> {
  const loaded = await loadAdapter(folder, { config });
  const merged = merge(loaded);
  dispose([...loaded.params.values()]);
  dispose([...params].flatMap(([name, value]) => (merged.params.get(name) === value ? [] : [value])));
  return merged;
}
