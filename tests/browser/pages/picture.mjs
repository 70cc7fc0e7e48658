// Smaller pictures: a PNG of Chromium with a palette instead of 24 bits per pixel.

import { crc32, deflateSync, inflateSync } from "node:zlib";

const MAX_COLORS = 32;

/** Returns the chunks of a PNG by type; the data of equal types is joined. */
function chunks(png) {
  const found = new Map();
  for (let at = 8; at < png.length; ) {
    const length = png.readUInt32BE(at);
    const type = png.toString("latin1", at + 4, at + 8);
    const data = png.subarray(at + 8, at + 8 + length);
    found.set(type, Buffer.concat([found.get(type) ?? Buffer.alloc(0), data]));
    at += 12 + length;
  }
  return found;
}

/** Returns the pixels, without the filters of their rows. */
function pixels(data, width, height, depth) {
  const row = width * depth;
  const out = Buffer.alloc(row * height);
  for (let y = 0; y < height; y++) {
    const filter = data[y * (row + 1)];
    for (let x = 0; x < row; x++) {
      const at = y * row + x;
      const left = x < depth ? 0 : out[at - depth];
      const up = y === 0 ? 0 : out[at - row];
      const corner = x < depth || y === 0 ? 0 : out[at - row - depth];
      const [p, q, r] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
      const nearest = p <= q && p <= r ? left : q <= r ? up : corner;
      const guess = [0, left, up, (left + up) >> 1, nearest][filter];
      out[at] = data[y * (row + 1) + 1 + x] + guess;
    }
  }
  return out;
}

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}

/** Returns the same picture with a palette of its most frequent colors. */
export function smaller(png) {
  const parts = chunks(png);
  const header = parts.get("IHDR");
  const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)];
  const depth = header[9] === 6 ? 4 : 3;
  const raw = pixels(inflateSync(parts.get("IDAT")), width, height, depth);
  const count = new Map();
  const color = (at) => (raw[at] << 16) | (raw[at + 1] << 8) | raw[at + 2];
  for (let at = 0; at < raw.length; at += depth) count.set(color(at), (count.get(color(at)) ?? 0) + 1);
  const palette = [...count].sort((a, b) => b[1] - a[1]).slice(0, MAX_COLORS).map(([own]) => own);
  const parted = (own) => [own >> 16, (own >> 8) & 255, own & 255];
  const distance = (a, b) => parted(a).reduce((sum, own, i) => sum + (own - parted(b)[i]) ** 2, 0);
  const index = new Map(palette.map((own, i) => [own, i]));
  const nearest = (own) => {
    if (!index.has(own)) {
      const best = palette.reduce((best, other) => (distance(other, own) < distance(best, own) ? other : best));
      index.set(own, index.get(best));
    }
    return index.get(own);
  };
  const rows = Buffer.alloc((width + 1) * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) rows[y * (width + 1) + 1 + x] = nearest(color((y * width + x) * depth));
  }
  const head = Buffer.from(header);
  head.set([8, 3, 0, 0, 0], 8);
  return Buffer.concat([
    png.subarray(0, 8),
    chunk("IHDR", head),
    chunk("PLTE", Buffer.from(palette.flatMap(parted))),
    chunk("IDAT", deflateSync(rows, { level: 9 })),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}
