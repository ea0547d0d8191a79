import {
  add,
  concat,
  gather,
  max,
  mul,
  reshape,
  scalar,
  slice,
  type Tensor,
  tensor,
  tidy,
  topk,
} from "@kd/tensor-core";

/**
 * Ids of the k largest numbers of every row, `[N, k]` int32, largest first. tfjs's `topk` makes an object of every number; here only of the
 * largest of each block and of the k blocks where those are largest, which hold the k largest of all.
 *
 * @param rows `[N, V]`, k ≤ V
 */
export function topIds(rows: Tensor, k: number): Tensor {
  const [n, ids] = rows.shape as [number, number];
  const width = Math.floor(Math.sqrt(ids / k)); // of a block: fewest numbers in all
  const blocks = Math.floor(ids / Math.max(width, 1));
  if (n === 0 || width < 2 || blocks <= k) return tidy(() => topk(rows, k).indices);
  const range = (count: number, step = 1, first = 0) => Int32Array.from({ length: count }, (_, i) => first + i * step);
  return tidy(() => {
    const whole = reshape(slice(rows, [0, 0], [n, blocks * width]), [n, blocks, width]);
    const chosen = topk(max(whole, 2), k).indices;
    const inside = add(
      reshape(mul(chosen, scalar(width, "int32")), [n, k, 1]),
      tensor(range(width), [1, 1, width], "int32"),
    );
    const rest = ids - blocks * width; // what no block holds
    const after = add(tensor(range(rest, 1, blocks * width), [1, rest], "int32"), tensor(range(n, 0), [n, 1], "int32"));
    const candidates = concat([reshape(inside, [n, k * width]), after], 1);
    const count = candidates.shape[1] as number;
    const ofRow = (step: number): Tensor => tensor(range(n, step), [n, 1], "int32");
    const values = gather(reshape(rows, [n * ids]), add(candidates, ofRow(ids)));
    return gather(reshape(candidates, [n * count]), add(topk(values, k).indices, ofRow(count)));
  });
}
