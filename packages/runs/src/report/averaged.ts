/** A square matrix, or means of its square blocks where a side has more than so many cells. */
export function averaged(values: ArrayLike<number>, cells: number): number[] {
  const side = Math.floor(Math.sqrt(values.length));
  const block = Math.ceil(side / cells);
  const small = Math.ceil(side / block);
  const sums = new Float64Array(small * small);
  const counts = new Float64Array(small * small);
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++) {
      const at = Math.floor(y / block) * small + Math.floor(x / block);
      sums[at] = (sums[at] as number) + (values[y * side + x] as number);
      counts[at] = (counts[at] as number) + 1;
    }
  return Array.from(sums, (sum, i) => sum / (counts[i] as number));
}
