import { KdError } from "@kd/contract";
import { mul, type Rng, type Tensor, tensor } from "@kd/tensor-core";
import type { LoraConfig } from "./config.ts";

/** Inputs of the adapter of that name, some of them 0 and the others larger. */
export type Dropout = (x: Tensor, name: string) => Tensor;

/** Dropout of one forward pass. */
export function dropoutOf(
  lora: LoraConfig | undefined,
  { training = false, rng }: { readonly training?: boolean; readonly rng?: Rng },
): Dropout {
  const share = lora?.lora_dropout ?? 0;
  if (!training || share === 0) return (x) => x;
  if (rng === undefined)
    throw new KdError(
      "KD_CONFIG",
      `slmForward: lora_dropout ${share} must have an rng to train, got none; pass one, or set lora_dropout to 0`,
    );
  const pass = rng.fork(rng.int(2 ** 32)); // a stream a pass and adapter, so that a layer that runs again drops the same
  return (x, name) => {
    const stream = pass.fork(name);
    const kept = Float32Array.from({ length: x.size }, () => (stream.next() < share ? 0 : 1 / (1 - share)));
    return mul(x, tensor(kept, x.shape));
  };
}
