import { add4, all4, at, exp1, exp4, get, get4, mul4, set, set4, sub4 } from "./simd";

@inline function sigmoid4(x: v128): v128 { return f32x4.div(all4(1), add4(all4(1), exp4(f32x4.neg(x)))); }
@inline function sigmoid1(x: f32): f32 { return 1 / (1 + exp1(-x)); }

export function swigluFwd(a: usize, b: usize, y: usize, i0: i32, i1: i32): void {
  let i = i0;
  for (; i + 4 <= i1; i += 4) { const x = get4(a, i); set4(y, i, mul4(mul4(x, sigmoid4(x)), get4(b, i))); }
  for (; i < i1; i++) { const x = get(a, i); set(y, i, x * sigmoid1(x) * get(b, i)); }
}
export function swigluBwd(dy: usize, a: usize, b: usize, da: usize, db: usize, i0: i32, i1: i32): void {
  let i = i0;
  for (; i + 4 <= i1; i += 4) {
    const x = get4(a, i), g = get4(dy, i), s = sigmoid4(x), silu = mul4(x, s);
    const slope = mul4(s, add4(all4(1), sub4(x, silu)));
    set4(da, i, mul4(mul4(g, get4(b, i)), slope));
    set4(db, i, mul4(g, silu));
  }
  for (; i < i1; i++) {
    const x = get(a, i), g = get(dy, i), s = sigmoid1(x), silu = x * s;
    set(da, i, g * get(b, i) * s * (1 + x - silu));
    set(db, i, g * silu);
  }
}

// The normal distribution function by the fit of Abramowitz and Stegun 7.1.26: absolute error 1.5e-7, enough for float32.
@inline function normalCdf4(x: v128): v128 {
  const z = mul4(f32x4.abs(x), all4(0.7071067811865476));
  const t = f32x4.div(all4(1), add4(all4(1), mul4(all4(0.3275911), z)));
  let p = add4(all4(-1.453152027), mul4(t, all4(1.061405429)));
  p = add4(all4(1.421413741), mul4(t, p));
  p = add4(all4(-0.284496736), mul4(t, p));
  p = add4(all4(0.254829592), mul4(t, p));
  const half = mul4(mul4(all4(0.5), mul4(t, p)), exp4(f32x4.neg(mul4(z, z))));
  return v128.bitselect(sub4(all4(1), half), half, f32x4.ge(x, all4(0)));
}
@inline function tanh4(x: v128): v128 {
  return sub4(all4(1), f32x4.div(all4(2), add4(exp4(mul4(all4(2), x)), all4(1))));
}
@inline function tanhInner4(x: v128): v128 {
  return tanh4(mul4(mul4(all4(0.7978845608028654), x), add4(all4(1), mul4(all4(0.044715), mul4(x, x)))));
}
@inline function gelu4(x: v128, kind: i32): v128 {
  if (kind == 0) return mul4(x, normalCdf4(x));
  if (kind == 1) return mul4(mul4(all4(0.5), x), add4(all4(1), tanhInner4(x)));
  return mul4(x, sigmoid4(mul4(all4(1.702), x)));
}
@inline function geluSlope4(x: v128, kind: i32): v128 {
  if (kind == 0)
    return add4(normalCdf4(x), mul4(mul4(x, all4(0.3989422804014327)), exp4(mul4(all4(-0.5), mul4(x, x)))));
  if (kind == 1) {
    const square = f32x4.pmin(mul4(x, x), all4(1e18)); // 1 − t² is 0 long before, and ∞ · 0 is no number
    const t = tanhInner4(x), rise = mul4(all4(0.7978845608028654), add4(all4(1), mul4(all4(0.134145), square)));
    return mul4(all4(0.5), add4(add4(all4(1), t), mul4(x, mul4(sub4(all4(1), mul4(t, t)), rise))));
  }
  const s = sigmoid4(mul4(all4(1.702), x));
  return add4(s, mul4(x, mul4(all4(1.702), mul4(s, sub4(all4(1), s))))); // 1.702 · x may be ∞
}

/** kind: 0 exact, 1 tanh, 2 quick */
export function geluFwd(x: usize, y: usize, kind: i32, i0: i32, i1: i32): void {
  let i = i0;
  for (; i + 4 <= i1; i += 4) set4(y, i, gelu4(get4(x, i), kind));
  for (; i < i1; i++) set(y, i, f32x4.extract_lane(gelu4(all4(get(x, i)), kind), 0));
}
export function geluBwd(dy: usize, x: usize, dx: usize, kind: i32, i0: i32, i1: i32): void {
  let i = i0;
  for (; i + 4 <= i1; i += 4) set4(dx, i, mul4(get4(dy, i), geluSlope4(get4(x, i), kind)));
  for (; i < i1; i++) set(dx, i, get(dy, i) * f32x4.extract_lane(geluSlope4(all4(get(x, i)), kind), 0));
}
/** Rows of [N, heads·headDim]; the position of row r is r % T. direction 1 forward, -1 its inverse. */
export function rope(x: usize, y: usize, cos: usize, sin: usize, T: i32, heads: i32, headDim: i32, direction: f32, r0: i32, r1: i32): void {
  const half = headDim >> 1, sign = all4(direction);
  for (let r = r0; r < r1; r++) {
    const c0 = at(cos, (r % T) * headDim), s0 = at(sin, (r % T) * headDim);
    for (let h: i32 = 0; h < heads; h++) {
      const a = at(x, (r * heads + h) * headDim), o = at(y, (r * heads + h) * headDim);
      let i: i32 = 0;
      for (; i + 4 <= half; i += 4) {
        const c = get4(c0, i), s = mul4(sign, get4(s0, i)), u = get4(a, i), v = get4(a, i + half);
        set4(o, i, sub4(mul4(u, c), mul4(v, s)));
        set4(o, i + half, add4(mul4(v, c), mul4(u, s)));
      }
      for (; i < half; i++) {
        const c = get(c0, i), s = direction * get(s0, i), u = get(a, i), v = get(a, i + half);
        set(o, i, u * c - v * s);
        set(o, i + half, v * c + u * s);
      }
    }
  }
}
