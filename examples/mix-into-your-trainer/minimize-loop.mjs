// A plain tfjs loop: two perceptrons that tell a picture's group. One line mixes the teacher in.
import { forwardKl } from "@kd/losses-mdist";
import { useBackend } from "@kd/tensor-core";
import * as tf from "@tensorflow/tfjs-core";
import { pictures, random } from "./tables.mjs";

await useBackend(); // or your own tf.setBackend: the losses run on any
const STEPS = Number(process.env.STEPS ?? 400);
const [train, test] = [pictures("train"), pictures("test")];
const labelsOf = ({ pictures }) =>
  tf.tensor1d(
    pictures.map(({ group }) => group),
    "int32",
  );
const inputsOf = ({ pixels, count, width }) => tf.tensor2d(pixels, [count, width]);
const [x, y, testX] = [inputsOf(train), labelsOf(train), inputsOf(test)];

function perceptron(hidden, seed) {
  const next = random(seed);
  const normal = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  const layer = (from, to) => [
    tf.variable(
      tf.tensor2d(
        Float32Array.from({ length: from * to }, () => normal() / Math.sqrt(from)),
        [from, to],
      ),
    ),
    tf.variable(tf.zeros([to])),
  ];
  const [[w1, b1], [w2, b2]] = [layer(train.width, hidden), layer(hidden, train.groups.length)];
  return (x) => tf.add(tf.matMul(tf.relu(tf.add(tf.matMul(x, w1), b1)), w2), b2);
}

function fit(model, { seed, steps, labelled, teacher }) {
  const optimizer = tf.train.adam(2e-3);
  const next = random(seed);
  for (let step = 0; step < steps; step++)
    optimizer.minimize(() => {
      const rows = tf.tensor1d(
        Int32Array.from({ length: 64 }, () => Math.floor(next() * labelled)),
        "int32",
      );
      const student = model(tf.gather(x, rows));
      const labels = tf.oneHot(tf.gather(y, rows), train.groups.length);
      const loss = tf.losses.softmaxCrossEntropy(labels, student);
      if (teacher === undefined) return loss;
      return tf.add(loss, forwardKl({ student, teacher: teacher(tf.gather(x, rows)), temperature: 2 }));
    });
  optimizer.dispose();
}

const accuracy = (model) =>
  tf.tidy(() => {
    const guess = tf.argMax(model(testX), 1).dataSync();
    return (100 * guess.filter((g, i) => g === test.pictures[i].group).length) / test.count;
  });

const teacher = perceptron(256, 1);
fit(teacher, { seed: 1, steps: 3 * STEPS, labelled: train.count });
const [alone, taught] = [undefined, teacher].map((from) => {
  const student = perceptron(16, 2);
  fit(student, { seed: 2, steps: STEPS, labelled: train.count, teacher: from });
  return accuracy(student);
});
console.log(
  `optimizer.minimize | group, unseen vendor | teacher ${accuracy(teacher).toFixed(1)} | student alone ${alone.toFixed(1)} | distilled ${taught.toFixed(1)}`,
);
