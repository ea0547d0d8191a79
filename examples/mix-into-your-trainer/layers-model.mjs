// A tf.LayersModel of two towers, pictures and their names in one space, with a custom loss: targets are the teacher's embeddings.
import { forwardKl } from "@kd/losses-mdist";
import { rdist } from "@kd/losses-rdist";
import { useBackend } from "@kd/tensor-core";
import * as tf from "@tensorflow/tfjs-core";
import * as layers from "@tensorflow/tfjs-layers";
import { pictures } from "./tables.mjs";

await useBackend();
const EPOCHS = Number(process.env.EPOCHS ?? 20);
const WIDTH = 32; // of the common space
const BATCH = 64;
const [train, test] = [pictures("train"), pictures("test")];
const bagOfWords = ({ words, pictures, count }) => {
  const bags = new Float32Array(count * words.length);
  for (const [row, { name }] of pictures.entries()) for (const word of name) bags[row * words.length + word] = 1;
  return tf.tensor2d(bags, [count, words.length]);
};
const inputsOf = (part) => [tf.tensor2d(part.pixels, [part.count, part.width]), bagOfWords(part)];

function twoTowers(hidden, seed) {
  const init = (n) => layers.initializers.glorotNormal({ seed: seed * 10 + n });
  const tower = (input, n) => {
    const middle = layers.layers.dense({ units: hidden, activation: "relu", kernelInitializer: init(n) });
    return layers.layers.dense({ units: WIDTH, kernelInitializer: init(n + 1) }).apply(middle.apply(input));
  };
  const inputs = [layers.input({ shape: [train.width] }), layers.input({ shape: [train.words.length] })];
  const outputs = layers.layers.concatenate().apply([tower(inputs[0], 1), tower(inputs[1], 3)]);
  return layers.model({ inputs, outputs });
}

const unit = (t) => tf.div(t, tf.norm(t, "euclidean", 1, true));
const halves = (both) => tf.split(both, 2, 1).map(unit);
const similarity = ([images, names]) => tf.mul(tf.matMul(images, names, false, true), 10); // [B, B]
const contrastive = (_, both) => {
  const scores = similarity(halves(both));
  return tf.losses.softmaxCrossEntropy(tf.eye(scores.shape[0]), scores);
};
const distilled = (taught, both) => {
  const [ours, theirs] = [halves(both), halves(taught)];
  const kl = forwardKl({ student: similarity(ours), teacher: similarity(theirs) });
  const relation = rdist({
    student: ours[0],
    teacher: theirs[0],
    lengths: [ours[0].shape[0]],
    over: "hidden",
    centre: "tokens",
  });
  return tf.add(tf.add(contrastive(taught, both), kl), relation);
};

const inputs = inputsOf(train);
async function fit(model, { loss, targets, epochs }) {
  model.compile({ optimizer: tf.train.adam(2e-3), loss });
  await model.fit(inputs, targets, { epochs, batchSize: BATCH, shuffle: false, verbose: 0 }); // in order: the same in every run
}

/** Percent of pictures whose own name is the nearest of all the test pictures' names. */
function recall(model) {
  return tf.tidy(() => {
    const names = [...new Map(test.pictures.map((p) => [p.name.join(), p.name])).values()];
    const bags = bagOfWords({ words: test.words, count: names.length, pictures: names.map((name) => ({ name })) });
    const blank = (n, width) => tf.zeros([n, width]);
    const [images] = halves(model.predict([inputsOf(test)[0], blank(test.count, test.words.length)]));
    const [, texts] = halves(model.predict([blank(names.length, test.width), bags]));
    const guess = tf.argMax(tf.matMul(images, texts, false, true), 1).dataSync();
    return (100 * guess.filter((g, i) => names[g].join() === test.pictures[i].name.join()).length) / test.count;
  });
}

const nothing = tf.zeros([train.count, 2 * WIDTH]); // contrastive alone reads no targets
const teacher = twoTowers(256, 1);
await fit(teacher, { loss: contrastive, targets: nothing, epochs: 2 * EPOCHS });
const taught = teacher.predict(inputs);
const results = [];
for (const [loss, targets] of [
  [contrastive, nothing],
  [distilled, taught],
]) {
  const student = twoTowers(24, 2);
  await fit(student, { loss, targets, epochs: EPOCHS });
  results.push(recall(student).toFixed(1));
}
console.log(
  `tf.LayersModel | R@1 picture to name, unseen vendor | teacher ${recall(teacher).toFixed(1)} | student alone ${results[0]} | distilled ${results[1]}`,
);
