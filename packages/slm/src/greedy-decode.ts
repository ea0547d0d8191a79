import {
  argMax,
  constant,
  linear,
  type Params,
  reshape,
  slice,
  type Tensor2D,
  type Tensor3D,
  tidy,
} from "@kd/tensor-core";
import { createKeyValueCache, disposeKeyValueCache } from "./cache.ts";
import type { Qwen2Config } from "./config.ts";
import { embedTokens } from "./embed-tokens.ts";
import { qwen2Forward } from "./forward.ts";
import { headName, LLAVA_PREFIX } from "./names.ts";

/** Options of {@link greedyDecode}. */
export interface GreedyDecode {
  readonly config: Qwen2Config;
  readonly params: Params;
  /** Embeddings of the prompts, `[B, T, D]`, all of one length; stays the caller's. */
  readonly embeddings: Tensor3D;
  /** At most so many ids a row. */
  readonly maxNewTokens: number;
  /** A row ends before one of these; none by default. */
  readonly eosTokenIds?: readonly number[];
  /** @defaultValue `"language_model."` */
  readonly prefix?: string;
}

/** The most probable continuation, token by token, one array a row; the end token is not part of it. */
export async function greedyDecode(options: GreedyDecode): Promise<number[][]> {
  const { config, params, embeddings, maxNewTokens, eosTokenIds = [], prefix = LLAVA_PREFIX } = options;
  const rows: number[][] = Array.from({ length: embeddings.shape[0] }, () => []);
  const open = new Set(rows.keys());
  const head = params.get(headName(config, prefix)) as Tensor2D;
  const cache = createKeyValueCache();
  try {
    let next = embeddings;
    for (let step = 0; step < maxNewTokens && open.size > 0; step++) {
      const best = tidy(() => {
        const hidden = qwen2Forward({ config, params, embeddings: next, prefix, cache });
        const last = reshape(slice(hidden, [0, hidden.shape[1] - 1, 0]), [-1, config.hidden_size]);
        return argMax(linear(last, constant(head)), -1);
      });
      const ids = (await best.data()) as Int32Array;
      best.dispose();
      if (next !== embeddings) next.dispose();
      for (const row of open) {
        const id = ids[row] as number;
        if (eosTokenIds.includes(id)) open.delete(row);
        else rows[row]?.push(id);
      }
      next = embedTokens({ config, params, inputIds: Int32Array.from(ids), shape: [ids.length, 1], prefix });
    }
    if (next !== embeddings) next.dispose();
    return rows;
  } finally {
    disposeKeyValueCache(cache);
  }
}
