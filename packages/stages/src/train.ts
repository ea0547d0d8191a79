import { KdError } from "@kd/contract";
import { adamWStep, clone, dispose, scalar, sumOfSquares, type Tensor, variable } from "@kd/tensor-core";
import { initOptimizerState, trainableVariables } from "./optimizer-state.ts";
import { numbersOverRanks, tensorsOverRanks } from "./over-ranks.ts";
import { learningRateAt } from "./schedule.ts";
import { stepGradients } from "./step-gradients.ts";
import type { TrainOptions, TrainReport } from "./train-options.ts";
import { updateNorm } from "./update-norm.ts";

/**
 * Trains with AdamW (decoupled decay), a step a yield; leaving the loop early is safe.
 *
 * @throws KdError `KD_DIVERGED` at a loss or gradient that is not finite, before that step changes any weight; `KD_WEIGHTS` for a name
 * that is no variable; `KD_CONFIG` for a state of other parameters; `KD_DATA` for a step without micro-batches.
 */
export async function* train<M>(options: TrainOptions<M>): AsyncGenerator<TrainReport, void, undefined> {
  const { params, trainable, betas = [0.9, 0.999], epsilon = 1e-8, maxGradNorm = 1, where = "train" } = options;
  const { totalSteps, learningRate: peak, warmupRatio = 0.03, weightDecay = 0, allReduce } = options;
  const variables = trainableVariables(params, trainable);
  const state = options.state ?? initOptimizerState(params, trainable);
  if (state.names.join() !== trainable.join())
    throw new KdError("KD_CONFIG", `${where}: the state is of other parameters than \`trainable\`; start it afresh`);
  const decays = trainable.map((name) => (name.endsWith("bias") || name.includes("norm") ? 0 : weightDecay));
  const zero = scalar(0);
  const anchor = variable(zero);
  zero.dispose();
  let asked = performance.now();
  try {
    for await (const step of options.steps) {
      if (state.step >= totalSteps) return;
      if (step.length === 0)
        throw new KdError(
          "KD_DATA",
          `${where}, step ${state.step + 1}: expected micro-batches, got none; look at the data`,
        );
      const dataSeconds = (performance.now() - asked) / 1000;
      const local = await stepGradients(step, { loss: options.loss, variables, anchor });
      const { grads } = local;
      try {
        await tensorsOverRanks(grads, allReduce);
        const counted = {
          loss: local.loss,
          tokens: step.reduce((n, micro) => n + (options.tokensOf?.(micro) ?? 0), 0),
        };
        const { loss, tokens } = (await numbersOverRanks(counted, allReduce)) as typeof counted;
        const parts = await numbersOverRanks(local.parts, allReduce);
        const squares = sumOfSquares(grads);
        const gradNorm = Math.sqrt((await squares.data())[0] as number);
        squares.dispose();
        if (!Number.isFinite(loss) || !Number.isFinite(gradNorm))
          throw new KdError(
            "KD_DIVERGED",
            `${where}, step ${state.step + 1}: loss and gradient must be finite, got ${loss} and ${gradNorm}; lower the learning rate or look at this step's data`,
          );
        const lr = learningRateAt(state.step, { peak, totalSteps, warmupRatio });
        state.step++;
        const before: Tensor[] = options.updateNorm === true ? variables.map((param) => clone(param)) : [];
        adamWStep({
          params: variables,
          grads,
          m: state.m,
          v: state.v,
          lr,
          beta1: betas[0],
          beta2: betas[1],
          epsilon,
          weightDecay: decays,
          step: state.step,
          gradientScale: Math.min(1, maxGradNorm / (gradNorm + 1e-6)),
        });
        const moved = options.updateNorm === true ? { updateNorm: await updateNorm(before, variables) } : {};
        dispose(before);
        const seconds = (performance.now() - asked) / 1000;
        const speed = { tokensPerSecond: tokens / seconds, seconds, dataSeconds };
        yield { step: state.step, loss, parts, lr, gradNorm, ...moved, ...speed };
      } finally {
        dispose(grads);
      }
      asked = performance.now(); // what the caller did with the report is no waiting
    }
  } finally {
    anchor.dispose();
    if (options.state === undefined) dispose([...state.m, ...state.v]);
  }
}
