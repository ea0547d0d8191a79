import type { TokenBatch } from "@kd/contract";
import { headName, slmOutputs, trainedNames } from "@kd/slm";
import {
  type ForwardOptions,
  type ForwardOutput,
  type Params,
  type Tensor2D,
  tensor2d,
  tidy,
  type VisionLanguageModel,
} from "@kd/tensor-core";
import type { LlavaConfig } from "./config.ts";
import { embedInputs, type LlavaBatch } from "./embed-inputs.ts";
import { NEWLINE_NAME, PROJECTOR, VISION } from "./names.ts";
import { towerHash } from "./tower-hash.ts";

/** A vision-language model of the LLaVA family: tower, projector and language model in one map of parameters. */
export interface Llava extends VisionLanguageModel {
  readonly config: LlavaConfig;
  /** Hash of the tower: features computed by another are refused. */
  readonly tower: string;
  forward(batch: LlavaBatch, options?: ForwardOptions): ForwardOutput;
}

/** What a model is made of. */
export interface CreateLlava {
  readonly config: LlavaConfig;
  /** Borrowed: the model reads them, the caller disposes them. */
  readonly params: Params;
  /** How pixels were made (sizes, filter, mean); part of the tower's hash. @defaultValue "" */
  readonly processor?: string;
}

/** A model from its configuration and parameters. */
export async function createLlava({ config, params, processor = "" }: CreateLlava): Promise<Llava> {
  return llavaOf({ config, params, tower: await towerHash(config, params, processor) });
}

/** The same where the tower's hash is known. */
export function llavaOf({ config, params, tower }: Pick<Llava, "config" | "params" | "tower">): Llava {
  const names = [...params.keys()];
  const groups = {
    vision: names.filter((name) => name.startsWith(VISION)),
    projector: names.filter((name) => name.startsWith(PROJECTOR) || name === NEWLINE_NAME),
    slm: trainedNames(names.filter((name) => name.startsWith("language_model."))),
  };
  const forward = (batch: LlavaBatch, options: ForwardOptions = {}): ForwardOutput =>
    tidy(() => {
      const embeddings = embedInputs({ config, params, tower, batch, ...options });
      const mask = padsRight(batch)
        ? {}
        : { keyMask: tensor2d(Float32Array.from(batch.attentionMask), [...batch.shape]) };
      return slmOutputs({ config: config.text_config, params, embeddings, ...mask, ...options }) as never;
    }) as unknown as ForwardOutput;
  return { config, params, groups, tower, head: params.get(headName(config.text_config)) as Tensor2D, forward };
}

/** Causal attention hides padding on the right by itself. */
function padsRight({ attentionMask, shape: [batch, length] }: TokenBatch): boolean {
  for (let b = 0; b < batch; b++)
    for (let t = 1; t < length; t++)
      if (attentionMask[b * length + t] === 1 && attentionMask[b * length + t - 1] === 0) return false;
  return true;
}
