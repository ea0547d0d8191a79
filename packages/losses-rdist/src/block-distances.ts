import {
  add,
  customGrad,
  div,
  maximum,
  mean,
  mul,
  reshape,
  sqrt,
  square,
  step,
  sub,
  sum,
  type Tensor,
} from "@kd/tensor-core";

/** A length at least, as in PyTorch's cosine similarity. */
const TINY = 1e-8;

/**
 * `[S]` distances of attention blocks `[S, n, n]`: 1 − cosine of the means over queries of the entries that neither side has as a sink. Which those
 * are has no gradient; `theirs` has none either.
 */
export function blockDistances(ours: Tensor, theirs: Tensor): Tensor {
  const [, n] = ours.shape as [number, number, number];
  const distances = customGrad((blocks, save) => {
    const a = blocks as Tensor;
    const kept = mul(mul(notSink(a), notSink(theirs)), step(theirs)); // step: a causal model's zeros are no attention
    const share = div(kept, maximum(sum(kept, 1, true), 1)); // 1 / entries of a key's column
    const [p, q] = [sum(mul(a, share), 1), sum(mul(theirs, share), 1)]; // [S, n], by key
    const [pp, qq] = [lengths(p), lengths(q)];
    const cosine = div(sum(mul(p, q), 1, true), mul(pp, qq));
    const slope = sub(mul(cosine, div(p, square(pp))), div(q, mul(pp, qq))); // of 1 − cosine by p
    (save as (tensors: Tensor[]) => void)([mul(share, reshape(slope, [-1, 1, n]))]);
    return {
      value: reshape(sub(1, cosine), [-1]),
      gradFunc: (dy: Tensor, saved: Tensor[]) => mul(reshape(dy, [-1, 1, 1]), saved[0] as Tensor),
    };
  });
  return distances(ours);
}

const lengths = (x: Tensor): Tensor => maximum(sqrt(sum(square(x), 1, true)), TINY);

/** 1 where an entry is at most its block's mean + standard deviation (of a sample, as PyTorch's). */
function notSink(blocks: Tensor): Tensor {
  const [, n] = blocks.shape as [number, number, number];
  const over = (x: Tensor): Tensor => mean(mean(x, 2, true), 1, true);
  const centre = over(blocks);
  const deviation = sqrt(mul(over(square(sub(blocks, centre))), (n * n) / Math.max(n * n - 1, 1)));
  return sub(1, step(sub(blocks, add(centre, deviation))));
}
