import { crossEntropy } from "@kd/losses-mdist";
import { embedTokens, headName, initSlm, slmForward } from "@kd/slm";
import { train } from "@kd/stages";
import { createRng, type Params, reshape, type Tensor2D, type Variable, variable } from "@kd/tensor-core";
import type { Job } from "./job.ts";
import { decoderConfig, type Sizes } from "./sizes.ts";

/** A training step on text: every row predicts a token, all parameters are trained. */
export function textStep(name: string, sizes: Sizes): Job {
  const { batch, tokens, vocabulary } = sizes;
  const config = decoderConfig(sizes);
  const rng = createRng(1);
  const params: Params = initSlm(config, rng.fork("weights"));
  for (const [key, value] of params) {
    params.set(key, variable(value));
    value.dispose();
  }
  const ids = rng.fork("ids");
  const [inputIds, labels] = [0, 1].map(() => Int32Array.from({ length: batch * tokens }, () => ids.int(vocabulary)));
  const trainable = [...params.keys()];
  const everything = new Set(trainable);
  const loss = () => () => {
    const shape = [batch, tokens] as const;
    const embeddings = embedTokens({ config, params, inputIds: inputIds as Int32Array, shape, trainable: everything });
    const hidden = slmForward({ config, params, embeddings, trainable: everything });
    const student = {
      hidden: reshape(hidden, [-1, sizes.width]) as Tensor2D,
      head: params.get(headName(config)) as Variable as Tensor2D,
    };
    return { loss: crossEntropy({ student, labels: labels as Int32Array }), parts: {} };
  };
  const options = { totalSteps: Number.MAX_SAFE_INTEGER, learningRate: 1e-3, warmupRatio: 0 };
  const reports = train({ params, trainable, steps: forever(), loss, ...options });
  return {
    what: `step ${name}`,
    run: async () => (await reports.next()).value?.loss ?? Number.NaN,
    facts: { config: name, variant: "full", tokens: batch * tokens },
  };
}

function* forever() {
  for (;;) yield [undefined];
}
