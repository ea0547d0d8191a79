import { type Scalar, square, sum, type Tensor, useBackend, Variable, variable, variableGrads } from "@kd/tensor-core";
import { expect, it } from "vitest";
import { syncEngines } from "../../tensor-core/test/engines.ts";
import { tinyBatch, tinyLlava } from "../test/tiny-llava.ts";

it.each(syncEngines)("on %s a checkpointed model has the plain one's gradients, tower included", async (engine) => {
  await useBackend({ engine, blas: false });
  const { params, forward } = await tinyLlava();
  for (const [name, value] of params) if (!(value instanceof Variable)) params.set(name, variable(value));
  const trained = [...params].filter(([name]) => !/lm_head|post_layernorm|layers\.1\./.test(name));
  const gradients = (gradientCheckpointing: boolean) => {
    const trainable = new Set(trained.map(([name]) => name));
    const { grads } = variableGrads(
      () => sum(square(forward(tinyBatch(), { trainable, gradientCheckpointing }).hidden)) as Scalar,
      trained.map(([, value]) => value as Variable),
    );
    return trained.map(([, value]) => [...(grads[(value as Variable).name] as Tensor).dataSync()]);
  };
  expect(gradients(true)).toEqual(gradients(false));
});
