import { abs, log1p, sign } from "@tensorflow/tfjs-core";
import { add, exp, maximum, mul, neg, sub, type Tensor } from "../ops.ts";
import type { DivergenceForm } from "./divergence.ts";
import { rowLogSumExp, rowSums } from "./row-sums.ts";

/** Divergences of rows, `[n, 1]`, and their gradient with respect to the student's scaled logits; s and t are logits `[n, V]` over T. */
export function portableDivergence(form: DivergenceForm, s: Tensor, t: Tensor): { value: Tensor; gradient: Tensor } {
  const [logQ, logP] = [sub(s, rowLogSumExp(s)), sub(t, rowLogSumExp(t))];
  const [q, p] = [exp(logQ), exp(logP)];
  const { loop, a, b } = form;
  if (loop === "cross") return { value: rowSums(neg(mul(p, logQ))), gradient: sub(q, p) };
  const u = sub(logP, logQ);
  // q − p, 0 as a whole, takes the normalisations' rounding out of a sum of p·u (see assembly/divergences.ts)
  const forward = (): Tensor => add(mul(p, u), sub(q, p));
  if (loop === "forward") return { value: rowSums(forward()), gradient: sub(q, p) };
  // h is q · ∂D/∂q; what is the same for all outcomes falls out below
  const [terms, h] = { pair, mixture, variation }[loop]();
  return { value: rowSums(terms), gradient: sub(h, mul(q, rowSums(h))) };

  function pair(): [Tensor, Tensor] {
    const backward = sub(sub(p, q), mul(q, u));
    return [add(mul(forward(), a), mul(backward, b)), sub(mul(sub(q, p), a), mul(mul(q, u), b))];
  }
  function mixture(): [Tensor, Tensor] {
    const { share, rest } = form;
    const [x, y] = [add(logP, Math.log(share)), add(logQ, Math.log(rest))];
    const logM = add(maximum(x, y), log1p(exp(neg(abs(sub(x, y))))));
    const [overP, overQ] = [sub(logP, logM), sub(logQ, logM)]; // log p/m, log q/m
    const ratio = add(mul(exp(overP), a), mul(exp(overQ), b));
    const terms = add(mul(mul(p, overP), a), mul(mul(q, overQ), b));
    const balance = mul(sub(q, p), a * rest - b * share);
    return [add(terms, balance), mul(q, sub(mul(overQ, b), mul(ratio, rest)))];
  }
  function variation(): [Tensor, Tensor] {
    return [mul(abs(sub(p, q)), 0.5), mul(mul(q, sign(sub(q, p))), 0.5)];
  }
}
