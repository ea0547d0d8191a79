// Our models, three lines of loop: a vision-language student from a Hugging Face folder, with and without its teacher.
import { responseRows } from "@kd/contract";
import { collate } from "@kd/data";
import { loadLlava } from "@kd/mllm/node";
import { presets, stages, trainStage } from "@kd/stages";
import { argMax, constant, gatherRows, linear, reshape, tensor1d, tidy, useBackend } from "@kd/tensor-core";
import { floats, json, random } from "./tables.mjs";

await useBackend();
const STEPS = Number(process.env.STEPS ?? 300);
const { vocabSize, padId, train, test, shape } = json("questions.json");
const features = floats("features.f32"); // of the frozen vision tower, computed once
const folder = (name) => new URL(`data/${name}`, import.meta.url).pathname;
const teacher = await loadLlava(folder("teacher"));
const [, tokens, width] = shape;
const batchOf = (samples) => {
  const data = new Float32Array(samples.length * tokens * width);
  for (const [i, { image }] of samples.entries())
    data.set(features.subarray(image * tokens * width, (image + 1) * tokens * width), i * tokens * width);
  const images = { kind: "features", data, shape: [samples.length, tokens, width], tower: teacher.tower };
  return { ...collate(samples, { padId, vocabSize }), images };
};
function* steps(seed) {
  const next = random(seed);
  for (let step = 0; step < STEPS; step++)
    yield [batchOf(Array.from({ length: 64 }, () => train[Math.floor(next() * train.length)]))];
}

/** Percent of questions whose answer is right at every token. */
function accuracy(model) {
  let right = 0;
  for (let start = 0; start < test.length; start += 128) {
    const batch = batchOf(test.slice(start, start + 128));
    const rows = responseRows(batch);
    const guess = tidy(() => {
      const { hidden } = model.forward(batch);
      const picked = gatherRows(reshape(hidden, [-1, hidden.shape[2]]), tensor1d(rows, "int32"));
      return argMax(linear(picked, constant(model.head)), -1).dataSync();
    });
    const wrong = new Set(
      [...rows].filter((row, i) => guess[i] !== batch.labels[row + 1]).map((row) => Math.floor(row / batch.shape[1])),
    );
    right += batch.shape[0] - wrong.size;
  }
  return (100 * right) / test.length;
}

const results = [];
for (const stage of [stages.sft, stages.dft]) {
  const student = await loadLlava(folder("student"));
  const run = { stage, student, teacher, weights: presets.paper, totalSteps: STEPS, learningRate: 3e-3 };
  for await (const { step, loss } of trainStage({ ...run, steps: steps(1) })) {
    if (step % 100 === 0) console.error(`${stage.name} ${step}/${STEPS} | loss ${loss.toFixed(3)}`);
  }
  results.push(accuracy(student).toFixed(1));
}
console.log(
  `trainStage | questions right, unseen vendor | teacher ${accuracy(teacher).toFixed(1)} | student alone ${results[0]} | distilled ${results[1]}`,
);
