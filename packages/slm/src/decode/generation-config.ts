import { KdError } from "@kd/contract";
import { z } from "zod";
import type { DecodingOptions } from "./options.ts";

const id = z.int().nonnegative();

const fileSchema = z.object({
  do_sample: z.boolean().nullish(),
  temperature: z.number().nonnegative().nullish(),
  top_k: z.int().nonnegative().nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  repetition_penalty: z.number().positive().nullish(),
  max_new_tokens: z.int().positive().nullish(),
  eos_token_id: z.union([id, z.array(id)]).nullish(),
});

/**
 * Reads a `generation_config.json` as transformers does: greedy unless it says `do_sample`; then temperature 1 and the 50 most probable ids
 * where it says nothing else.
 *
 * @throws KdError `KD_CONFIG` naming the field.
 */
export function parseGenerationConfig(value: unknown, where = "generation_config.json"): Partial<DecodingOptions> {
  const { success, data: file, error } = fileSchema.safeParse(value);
  if (!success) throw new KdError("KD_CONFIG", `${where}: ${z.prettifyError(error)}; correct the file`);
  const topK = file.top_k === undefined ? 50 : (file.top_k ?? 0);
  const sampling = {
    temperature: file.temperature ?? 1,
    ...(topK > 0 ? { topK } : {}),
    ...(file.top_p ? { topP: file.top_p } : {}),
  };
  return {
    ...(file.do_sample ? sampling : {}),
    ...(file.repetition_penalty == null ? {} : { repetitionPenalty: file.repetition_penalty }),
    ...(file.max_new_tokens == null ? {} : { maxNewTokens: file.max_new_tokens }),
    ...(file.eos_token_id == null ? {} : { eosTokenIds: file.eos_token_id }),
  };
}
