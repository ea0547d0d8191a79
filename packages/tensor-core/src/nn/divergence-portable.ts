import { abs, expm1, log1p, sign, step } from "@tensorflow/tfjs-core";
import { add, cast, div, exp, mul, neg, sub, type Tensor, where } from "../ops.ts";
import type { DivergenceForm } from "./divergence.ts";
import { rowLogSoftmax, rowSums } from "./row-sums.ts";

/** Divergences of rows, `[n, 1]`, and their gradient with respect to the student's scaled logits; s and t are logits `[n, V]` over T. */
export function portableDivergence(form: DivergenceForm, s: Tensor, t: Tensor): { value: Tensor; gradient: Tensor } {
  const [logQ, logP] = [rowLogSoftmax(s), rowLogSoftmax(t)];
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
    const lower = step(neg(u));
    const less = cast(lower, "bool"); // where p < q; only exp(−|u|) is taken, so that no large numbers cancel
    const of = (yes: number, no: number): Tensor => add(mul(lower, yes - no), no);
    const [size, weight] = [abs(u), of(share, rest)];
    const drop = expm1(neg(size));
    const larger = neg(log1p(mul(weight, drop)));
    const smaller = sub(larger, size);
    const [overP, overQ] = [where(less, smaller, larger), where(less, larger, smaller)]; // log p/m, log q/m
    const difference = mul(where(less, neg(q), p), drop); // q − p
    const terms = add(mul(mul(p, overP), a), mul(mul(q, overQ), b));
    const ratio = div(mul(drop, sub(of(a, b), mul(weight, a + b))), add(mul(weight, drop), 1)); // (a·p + b·q) / m − (a + b)
    return [add(terms, mul(difference, a * rest - b * share)), mul(q, sub(mul(overQ, b), mul(ratio, rest)))];
  }
  function variation(): [Tensor, Tensor] {
    return [mul(abs(sub(p, q)), 0.5), mul(mul(q, sign(sub(q, p))), 0.5)];
  }
}
