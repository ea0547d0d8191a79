// C[m, n] = alpha·op(A)·op(B) + beta·C, row-major, any transpose, strided. Panels are packed and multiplied by a 4 × 8 micro-kernel.
import { add4, all4, at, axpy, get, get4, mul4, set, sumLanes } from "./simd";

/** A system library's product, bound by the host. */
@external("env", "gemm") declare function hostGemm(ta: i32, tb: i32, m: i32, n: i32, k: i32, alpha: f32, a: usize, lda: i32, b: usize, ldb: i32, beta: i32, c: usize, ldc: i32): void;

// Multiplications from which the host's product is called; 0: never. Calling a library costs about a microsecond.
let hostFrom: f64 = 0;
export function setHostFrom(multiplications: f64): void { hostFrom = multiplications; }

const MR: i32 = 4;
const NR: i32 = 8;
const KC: i32 = 256;
const MC: i32 = 144;
const NC: i32 = 1024;

let tile: usize = 0;
let packedA: usize = 0;
let packedB: usize = 0;

@inline function align(p: usize): usize { return (p + 63) & ~<usize>63; }

/** Bytes of scratch memory that {@link setScratch} must be given. */
export function scratchBytes(): i32 { return ((MC + MR) * KC + (NC + NR) * KC) * 4 + MR * NR * 4 + 256; }
export function setScratch(p: usize): void {
  tile = align(p);
  packedA = align(tile + MR * NR * 4);
  packedB = align(packedA + <usize>((MC + MR) * KC * 4));
}

@inline function storeRow(c: usize, x: v128, y: v128, alpha: v128, accumulate: i32): void {
  x = mul4(alpha, x);
  y = mul4(alpha, y);
  if (accumulate) {
    x = add4(v128.load(c), x);
    y = add4(v128.load(c, 16), y);
  }
  v128.store(c, x);
  v128.store(c, y, 16);
}

// a: packed [k][MR], b: packed [k][NR]
function micro(k: i32, a: usize, b: usize, c: usize, ldc: usize, rows: i32, cols: i32, alpha: f32, accumulate: i32): void {
  let c00 = all4(0), c01 = all4(0), c10 = all4(0), c11 = all4(0), c20 = all4(0), c21 = all4(0), c30 = all4(0), c31 = all4(0);
  for (let p: i32 = 0; p < k; p++) {
    const b0 = v128.load(b), b1 = v128.load(b, 16);
    const a0 = v128.load_splat<f32>(a), a1 = v128.load_splat<f32>(a, 4), a2 = v128.load_splat<f32>(a, 8), a3 = v128.load_splat<f32>(a, 12);
    c00 = add4(c00, mul4(a0, b0)); c01 = add4(c01, mul4(a0, b1));
    c10 = add4(c10, mul4(a1, b0)); c11 = add4(c11, mul4(a1, b1));
    c20 = add4(c20, mul4(a2, b0)); c21 = add4(c21, mul4(a2, b1));
    c30 = add4(c30, mul4(a3, b0)); c31 = add4(c31, mul4(a3, b1));
    a += 16;
    b += 32;
  }
  const al = all4(alpha);
  if (rows == MR && cols == NR) {
    storeRow(c, c00, c01, al, accumulate);
    storeRow(c + ldc, c10, c11, al, accumulate);
    storeRow(c + 2 * ldc, c20, c21, al, accumulate);
    storeRow(c + 3 * ldc, c30, c31, al, accumulate);
    return;
  }
  storeRow(tile, c00, c01, al, 0);
  storeRow(tile + 32, c10, c11, al, 0);
  storeRow(tile + 64, c20, c21, al, 0);
  storeRow(tile + 96, c30, c31, al, 0);
  for (let i: i32 = 0; i < rows; i++)
    for (let j: i32 = 0; j < cols; j++) {
      const q = at(c + <usize>i * ldc, j), x = get(tile, i * NR + j);
      store<f32>(q, accumulate ? load<f32>(q) + x : x);
    }
}

// A(i, p) stands at a + i·rs + p·cs (bytes)
function packA(a: usize, rs: usize, cs: usize, mc: i32, kc: i32): void {
  let out = packedA;
  for (let i: i32 = 0; i < mc; i += MR) {
    const rows = min(MR, mc - i);
    const source = a + <usize>i * rs;
    for (let p: i32 = 0; p < kc; p++) {
      const s = source + <usize>p * cs;
      if (rows == MR) {
        store<f32>(out, load<f32>(s));
        store<f32>(out, load<f32>(s + rs), 4);
        store<f32>(out, load<f32>(s + 2 * rs), 8);
        store<f32>(out, load<f32>(s + 3 * rs), 12);
      } else for (let r: i32 = 0; r < MR; r++) set(out, r, r < rows ? load<f32>(s + <usize>r * rs) : 0);
      out += 16;
    }
  }
}
// B(p, j) stands at b + p·rs + j·cs (bytes)
function packB(b: usize, rs: usize, cs: usize, kc: i32, nc: i32): void {
  let out = packedB;
  for (let j: i32 = 0; j < nc; j += NR) {
    const cols = min(NR, nc - j);
    const source = b + <usize>j * cs;
    for (let p: i32 = 0; p < kc; p++) {
      const s = source + <usize>p * rs;
      if (cols == NR && cs == 4) {
        v128.store(out, v128.load(s));
        v128.store(out, v128.load(s, 16), 16);
      } else for (let q: i32 = 0; q < NR; q++) set(out, q, q < cols ? load<f32>(s + <usize>q * cs) : 0);
      out += 32;
    }
  }
}

/** This module's own product, whatever the host offers. */
export function ownGemm(ta: i32, tb: i32, m: i32, n: i32, k: i32, alpha: f32, a: usize, lda: i32, b: usize, ldb: i32, beta: i32, c: usize, ldc: i32): void {
  const ars: usize = (ta ? 1 : lda) << 2, acs: usize = (ta ? lda : 1) << 2, brs: usize = (tb ? 1 : ldb) << 2, bcs: usize = (tb ? ldb : 1) << 2;
  for (let jc: i32 = 0; jc < n; jc += NC) {
    const nc = min(NC, n - jc);
    for (let pc: i32 = 0; pc < k; pc += KC) {
      const kc = min(KC, k - pc), accumulate = pc > 0 || beta != 0 ? 1 : 0;
      packB(b + <usize>pc * brs + <usize>jc * bcs, brs, bcs, kc, nc);
      for (let ic: i32 = 0; ic < m; ic += MC) {
        const mc = min(MC, m - ic);
        packA(a + <usize>ic * ars + <usize>pc * acs, ars, acs, mc, kc);
        for (let jr: i32 = 0; jr < nc; jr += NR)
          for (let ir: i32 = 0; ir < mc; ir += MR)
            micro(kc, at(packedA, ir * kc), at(packedB, jr * kc), at(c, (ic + ir) * ldc + jc + jr), <usize>ldc << 2, min(MR, mc - ir), min(NR, nc - jr), alpha, accumulate);
      }
    }
  }
}

// Up to so many rows of A are multiplied without packing: B is read once, which is what such a product costs (a decoder's next token).
const FEW: i32 = 4;

/** Four sums at once: one waits for its addition longer than memory needs for the next numbers. */
function longDot(a: usize, b: usize, n: i32): f32 {
  let s0 = all4(0), s1 = all4(0), s2 = all4(0), s3 = all4(0), i: i32 = 0;
  for (; i + 16 <= n; i += 16) {
    s0 = add4(s0, mul4(get4(a, i), get4(b, i)));
    s1 = add4(s1, mul4(get4(a, i + 4), get4(b, i + 4)));
    s2 = add4(s2, mul4(get4(a, i + 8), get4(b, i + 8)));
    s3 = add4(s3, mul4(get4(a, i + 12), get4(b, i + 12)));
  }
  let sum = sumLanes(add4(add4(s0, s1), add4(s2, s3)));
  for (; i < n; i++) sum += get(a, i) * get(b, i);
  return sum;
}
/** A few rows of A, untransposed. */
function fewRows(tb: i32, m: i32, n: i32, k: i32, alpha: f32, a: usize, lda: i32, b: usize, ldb: i32, beta: i32, c: usize, ldc: i32): void {
  if (tb) {
    for (let j: i32 = 0; j < n; j++)
      for (let r: i32 = 0; r < m; r++) {
        const x = alpha * longDot(at(a, r * lda), at(b, j * ldb), k), q = at(c, r * ldc + j);
        store<f32>(q, beta ? load<f32>(q) + x : x);
      }
    return;
  }
  for (let r: i32 = 0; r < m; r++) {
    const row = at(c, r * ldc);
    if (!beta) memory.fill(row, 0, <usize>n << 2);
    for (let p: i32 = 0; p < k; p++) axpy(row, at(b, p * ldb), alpha * get(a, r * lda + p), n);
  }
}

/** C = alpha·op(A)·op(B) + beta·C by the host's product where it is worth the call. */
export function product(ta: i32, tb: i32, m: i32, n: i32, k: i32, alpha: f32, a: usize, lda: i32, b: usize, ldb: i32, beta: i32, c: usize, ldc: i32): void {
  if (!ta && m <= FEW) fewRows(tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
  else if (hostFrom > 0 && <f64>m * <f64>n * <f64>k >= hostFrom) hostGemm(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
  else ownGemm(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
/** Rows r0…r1 of C, or its columns. */
export function gemm(ta: i32, tb: i32, m: i32, n: i32, k: i32, alpha: f32, a: usize, lda: i32, b: usize, ldb: i32, beta: i32, c: usize, ldc: i32, columns: i32, r0: i32, r1: i32): void {
  if (columns) product(ta, tb, m, r1 - r0, k, alpha, a, lda, at(b, tb ? r0 * ldb : r0), ldb, beta, at(c, r0), ldc);
  else product(ta, tb, r1 - r0, n, k, alpha, at(a, ta ? r0 : r0 * lda), lda, b, ldb, beta, at(c, r0 * ldc), ldc);
}
