// Four-lane helpers. Rows may have any length: a vector body, then a scalar tail.
@external("env", "log") declare function hostLog(x: f64): f64;

@inline export function log1(x: f32): f32 { return <f32>hostLog(<f64>x); }
@inline export function log64(x: f64): f64 { return hostLog(x); }
@inline export function at(base: usize, i: i32): usize { return base + (<usize>i << 2); }
@inline export function get(base: usize, i: i32): f32 { return load<f32>(at(base, i)); }
@inline export function set(base: usize, i: i32, x: f32): void { store<f32>(at(base, i), x); }
@inline export function get4(base: usize, i: i32): v128 { return v128.load(at(base, i)); }
@inline export function set4(base: usize, i: i32, x: v128): void { v128.store(at(base, i), x); }
@inline export function add4(a: v128, b: v128): v128 { return f32x4.add(a, b); }
@inline export function sub4(a: v128, b: v128): v128 { return f32x4.sub(a, b); }
@inline export function mul4(a: v128, b: v128): v128 { return f32x4.mul(a, b); }
@inline export function div4(a: v128, b: v128): v128 { return f32x4.div(a, b); }
@inline export function neg4(a: v128): v128 { return f32x4.neg(a); }
@inline export function abs4(a: v128): v128 { return f32x4.abs(a); }
@inline export function all4(x: f32): v128 { return f32x4.splat(x); }
/** `yes` in the lanes where the mask is set, `no` elsewhere. */
@inline export function pick4(yes: v128, no: v128, mask: v128): v128 { return v128.bitselect(yes, no, mask); }

@inline export function sumLanes(v: v128): f32 {
  return f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1) + f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3);
}
/** The lanes' sum in float64. */
@inline export function lanes(v: v128): f64 {
  return <f64>f32x4.extract_lane(v, 0) + <f64>f32x4.extract_lane(v, 1) + <f64>f32x4.extract_lane(v, 2) + <f64>f32x4.extract_lane(v, 3);
}
@inline export function maxLanes(v: v128): f32 {
  return max(max(f32x4.extract_lane(v, 0), f32x4.extract_lane(v, 1)), max(f32x4.extract_lane(v, 2), f32x4.extract_lane(v, 3)));
}

// exp(r) − 1 − r of |r| ≤ ln2/2: with it, exp has a relative error of about 1e-7.
@inline function tail(r: v128): v128 {
  let p = all4(1.9875691500e-4);
  p = add4(mul4(p, r), all4(1.3981999507e-3));
  p = add4(mul4(p, r), all4(8.3334519073e-3));
  p = add4(mul4(p, r), all4(4.1665795894e-2));
  p = add4(mul4(p, r), all4(1.6666665459e-1));
  p = add4(mul4(p, r), all4(5.0000001201e-1));
  return mul4(p, mul4(r, r));
}
// x is n·ln2 + r, n whole and |r| ≤ ln2/2; no number (NaN) stays one. The limits lie where n is 128 and −127, whose powers of 2 below are ∞ and 0:
// a limit that left exp at 1e-38 would do for a sum, but not for what is multiplied by an x of 1e38.
@inline function limited(x: v128): v128 { return f32x4.pmax(f32x4.pmin(x, all4(89)), all4(-88)); }
@inline function whole(x: v128): v128 { return f32x4.nearest(mul4(x, all4(1.44269504))); }
@inline function rest(x: v128, n: v128): v128 { return add4(sub4(x, mul4(n, all4(0.693359375))), mul4(n, all4(2.12194440e-4))); }
@inline function powerOf2(n: v128): v128 { return i32x4.shl(i32x4.add(i32x4.trunc_sat_f32x4_s(n), i32x4.splat(127)), 23); }

/** 0 from −87.7 down, ∞ from 88.4 up */
@inline export function exp4(x: v128): v128 {
  x = limited(x);
  const n = whole(x), r = rest(x, n);
  return mul4(add4(tail(r), add4(r, all4(1))), powerOf2(n));
}
/** exp(x) − 1, as exact near 0 as elsewhere */
@inline export function expm1Of4(x: v128): v128 {
  x = limited(x);
  const n = whole(x), r = rest(x, n), small = add4(tail(r), r);
  return pick4(small, sub4(mul4(add4(all4(1), small), powerOf2(n)), all4(1)), f32x4.eq(n, all4(0)));
}
/** log(1 + x) of x > −1, as exact near 0 as elsewhere */
@inline export function log1pOf4(x: v128): v128 {
  const bits = add4(all4(1), x);
  const e = i32x4.shr_s(i32x4.sub(bits, i32x4.splat(0x3f3504f3)), 23); // 1 + x is 2^e · [√½, √2)
  const m = sub4(i32x4.sub(bits, i32x4.shl(e, 23)), all4(1)), f = pick4(x, m, i32x4.eq(e, i32x4.splat(0)));
  let p = all4(7.0376836292e-2);
  p = add4(mul4(p, f), all4(-1.1514610310e-1));
  p = add4(mul4(p, f), all4(1.1676998740e-1));
  p = add4(mul4(p, f), all4(-1.2420140846e-1));
  p = add4(mul4(p, f), all4(1.4249322787e-1));
  p = add4(mul4(p, f), all4(-1.6668057665e-1));
  p = add4(mul4(p, f), all4(2.0000714765e-1));
  p = add4(mul4(p, f), all4(-2.4999993993e-1));
  p = add4(mul4(p, f), all4(3.3333331174e-1));
  const square = mul4(f, f), n = f32x4.convert_i32x4_s(e);
  const y = sub4(sub4(mul4(mul4(p, f), square), mul4(n, all4(2.12194440e-4))), mul4(all4(0.5), square));
  return add4(add4(f, y), mul4(n, all4(0.693359375)));
}
@inline export function exp1(x: f32): f32 { return f32x4.extract_lane(exp4(all4(x)), 0); }

export function rowMax(x: usize, n: i32): f32 {
  let m = all4(-Infinity);
  let j: i32 = 0;
  for (; j + 4 <= n; j += 4) m = f32x4.pmax(m, get4(x, j));
  let r = maxLanes(m);
  for (; j < n; j++) r = max(r, get(x, j));
  return r;
}
export function dot(a: usize, b: usize, n: i32): f32 {
  let s = all4(0);
  let j: i32 = 0;
  for (; j + 4 <= n; j += 4) s = add4(s, mul4(get4(a, j), get4(b, j)));
  let r = sumLanes(s);
  for (; j < n; j++) r += get(a, j) * get(b, j);
  return r;
}
/** y += c·x */
export function axpy(y: usize, x: usize, c: f32, n: i32): void {
  const cv = all4(c);
  let j: i32 = 0;
  for (; j + 4 <= n; j += 4) set4(y, j, add4(get4(y, j), mul4(cv, get4(x, j))));
  for (; j < n; j++) set(y, j, get(y, j) + c * get(x, j));
}
