// Loops of the divergences between two distributions over n outcomes, n a multiple of 4: q, p (not yet divided by their sums) and u' lie in
// three scratch rows, whose padding is 0. u = u' − c is log p/q. Each loop adds up its divergence, writes h to the row of p, and adds that up,
// too: the gradient with respect to the student's scaled logits is h − q·Σh.
//
// A sum of p·u alone would be off by the rounding of both normalisations. With q − p added, which is 0 as a whole, each term is at least 0,
// and such errors only count squared.
import { abs4, add4, all4, div4, expm1Of4, get4, lanes, log1pOf4, mul4, neg4, pick4, set4, sub4 } from "./simd";

/** Elements that are added up in float32 before the sum goes on in float64. */
export const BLOCK: i32 = 256;

let hSum: f64 = 0;
/** Σh of the loop that ran last. */
export function sumOfH(): f64 { return hSum; }

/** (x − 1 + exp(−x)) / x² for |x| < 1/8 */
@inline function phi4(x: v128): v128 {
  return sub4(all4(0.5), mul4(x, sub4(all4(1 / <f32>6), mul4(x, sub4(all4(1 / <f32>24), mul4(x, all4(1 / <f32>120)))))));
}
/** p·log(p/q) + q − p, u = log(p/q) */
@inline function klTerm4(p: v128, q: v128, u: v128): v128 {
  const near = mul4(mul4(p, mul4(u, u)), phi4(u)), far = add4(mul4(p, u), sub4(q, p));
  return pick4(near, far, f32x4.lt(abs4(u), all4(0.125)));
}
/** KL(p ‖ q); h = q − p, which adds up to 0: nothing is left to subtract. */
export function forwardLoop(q: usize, p: usize, u: usize, n: i32, c: f32, qScale: f32, pScale: f32): f64 {
  const cv = all4(c), qs = all4(qScale), ps = all4(pScale);
  let total: f64 = 0;
  for (let j: i32 = 0; j < n; ) {
    const end = min(j + BLOCK, n);
    let d = all4(0);
    for (; j < end; j += 4) {
      const qj = mul4(qs, get4(q, j)), pj = mul4(ps, get4(p, j));
      d = add4(d, klTerm4(pj, qj, sub4(get4(u, j), cv)));
      set4(p, j, sub4(qj, pj));
    }
    total += lanes(d);
  }
  return total;
}
/** a·KL(p ‖ q) + b·KL(q ‖ p) */
export function pairLoop(q: usize, p: usize, u: usize, n: i32, c: f32, qScale: f32, pScale: f32, a: f32, b: f32): f64 {
  const cv = all4(c), qs = all4(qScale), ps = all4(pScale), av = all4(a), bv = all4(b);
  let total: f64 = 0, sum: f64 = 0;
  for (let j: i32 = 0; j < n; ) {
    const end = min(j + BLOCK, n);
    let d = all4(0), hs = all4(0);
    for (; j < end; j += 4) {
      const qj = mul4(qs, get4(q, j)), pj = mul4(ps, get4(p, j)), uj = sub4(get4(u, j), cv);
      d = add4(d, add4(mul4(av, klTerm4(pj, qj, uj)), mul4(bv, klTerm4(qj, pj, neg4(uj)))));
      const h = sub4(mul4(av, sub4(qj, pj)), mul4(bv, mul4(qj, uj)));
      hs = add4(hs, h);
      set4(p, j, h);
    }
    total += lanes(d);
    sum += lanes(hs);
  }
  hSum = sum;
  return total;
}
/** a·KL(p ‖ m) + b·KL(q ‖ m), m = share·p + rest·q; both shares above 0. Only exp(−|u|) is taken, so that no large numbers cancel. */
export function mixtureLoop(q: usize, p: usize, u: usize, n: i32, c: f32, qScale: f32, pScale: f32, a: f32, b: f32, share: f32, rest: f32): f64 {
  const cv = all4(c), qs = all4(qScale), ps = all4(pScale), av = all4(a), bv = all4(b), sv = all4(share), rv = all4(rest);
  const balance = all4(a * rest - b * share), ab = all4(a + b), zero = all4(0);
  let total: f64 = 0, sum: f64 = 0;
  for (let j: i32 = 0; j < n; ) {
    const end = min(j + BLOCK, n);
    let d = zero, hs = zero;
    for (; j < end; j += 4) {
      const qj = mul4(qs, get4(q, j)), pj = mul4(ps, get4(p, j)), uj = sub4(get4(u, j), cv);
      const less = f32x4.lt(uj, zero), size = abs4(uj); // where p < q
      const drop = expm1Of4(neg4(size)), weight = pick4(sv, rv, less), x = mul4(weight, drop);
      const larger = neg4(log1pOf4(x)), smaller = sub4(larger, size);
      const ofP = pick4(smaller, larger, less), ofQ = pick4(larger, smaller, less); // log p/m, log q/m
      const difference = mul4(pick4(neg4(qj), pj, less), drop); // q − p
      d = add4(d, add4(mul4(mul4(av, pj), ofP), add4(mul4(mul4(bv, qj), ofQ), mul4(balance, difference))));
      // (a·p + b·q) / m − (a + b); the constant would fall out below
      const ratio = div4(mul4(drop, sub4(pick4(av, bv, less), mul4(ab, weight))), add4(all4(1), x));
      const h = mul4(qj, sub4(mul4(bv, ofQ), mul4(rv, ratio)));
      hs = add4(hs, h);
      set4(p, j, h);
    }
    total += lanes(d);
    sum += lanes(hs);
  }
  hSum = sum;
  return total;
}
/** ½·Σ|p − q|; the gradient at p = q is 0. */
export function variationLoop(q: usize, p: usize, u: usize, n: i32, c: f32, qScale: f32, pScale: f32): f64 {
  const cv = all4(c), qs = all4(qScale), ps = all4(pScale), zero = all4(0), half = all4(0.5);
  let total: f64 = 0, sum: f64 = 0;
  for (let j: i32 = 0; j < n; ) {
    const end = min(j + BLOCK, n);
    let d = zero, hs = zero;
    for (; j < end; j += 4) {
      const qj = mul4(qs, get4(q, j)), pj = mul4(ps, get4(p, j)), uj = sub4(get4(u, j), cv);
      const less = f32x4.lt(uj, zero), drop = expm1Of4(neg4(abs4(uj)));
      d = sub4(d, mul4(half, mul4(pick4(qj, pj, less), drop)));
      const side = pick4(half, pick4(neg4(half), zero, f32x4.gt(uj, zero)), less);
      const h = mul4(qj, side);
      hs = add4(hs, h);
      set4(p, j, h);
    }
    total += lanes(d);
    sum += lanes(hs);
  }
  hSum = sum;
  return total;
}
