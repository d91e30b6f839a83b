// Bundles the pages' scripts, styles and icons into dist/, with hashed names, compressed copies, licence
// texts and a manifest. The manifest carries a hash of every input, so that cloud/build.rs can see without
// node whether dist/ is current: `inputHash` here and `input_hash` there must stay the same function.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const root = fileURLToPath(new URL(".", import.meta.url)); // `import.meta.dirname` is newer than Node 18
const dist = join(root, "dist");
const INPUTS = ["build.mjs", "icons.txt", "package-lock.json", "package.json", "src"];
const ENTRIES = ["src/app.ts", "src/submit.ts", "src/worker.ts", "src/app.css"];
const BUNDLED = [
  "htmx.org",
  "@github/relative-time-element",
  "uplot",
  "open-props",
  "lucide-static",
  "@fontsource-variable/inter",
];

async function filesUnder(path) {
  const entries = await readdir(path, { withFileTypes: true, recursive: true });
  return entries.filter((e) => e.isFile()).map((e) => join(e.parentPath, e.name));
}

async function inputHash() {
  const named = await Promise.all(
    INPUTS.map(async (name) => (name === "src" ? filesUnder(join(root, name)) : [join(root, name)])),
  );
  const files = named.flat().map((path) => [relative(root, path).split(sep).join("/"), path]);
  files.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  let hash = 0xcbf29ce484222325n;
  const eat = (bytes) => {
    for (const byte of bytes) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
  };
  for (const [name, path] of files) {
    eat(Buffer.from(name));
    eat([0]);
    eat(await readFile(path));
    eat([0]);
  }
  return hash.toString(16).padStart(16, "0");
}

function hashed(name, text) {
  const dot = name.lastIndexOf(".");
  const hash = createHash("sha256").update(text).digest("hex").slice(0, 8).toUpperCase();
  return `${name.slice(0, dot)}.${hash}${name.slice(dot)}`;
}

async function put(name, text) {
  const file = hashed(name, text);
  await writeFile(join(dist, file), text);
  return file;
}

async function icons() {
  const lines = (await readFile(join(root, "icons.txt"), "utf8")).split("\n");
  const names = lines.map((line) => line.trim()).filter((line) => line && !line.startsWith("#"));
  const symbols = names.map(async (line) => {
    const [name, source = name] = line.split(/\s*=\s*/);
    const svg = await readFile(join(root, "node_modules/lucide-static/icons", `${source}.svg`), "utf8");
    const inside = svg.slice(svg.indexOf(">", svg.indexOf("<svg")) + 1, svg.lastIndexOf("</svg>"));
    return [name, `<symbol id="${name}" viewBox="0 0 24 24">${inside.replace(/\s*\n\s*/g, "")}</symbol>`];
  });
  const all = await Promise.all(symbols);
  const sprite = `<svg xmlns="http://www.w3.org/2000/svg">${all.map(([, s]) => s).join("")}</svg>`;
  return { names: all.map(([name]) => name).sort(), file: await put("icons.svg", sprite) };
}

async function licences() {
  const parts = BUNDLED.map(async (name) => {
    const folder = join(root, "node_modules", name);
    const { version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
    const file = (await readdir(folder)).find((f) => /^licen[cs]e/i.test(f));
    const text = file ? await readFile(join(folder, file), "utf8") : `Licence: ${license}\n`;
    return `${name} ${version} (${license})\n${"=".repeat(72)}\n\n${text.trim()}\n`;
  });
  return put("licences.txt", (await Promise.all(parts)).join("\n\n"));
}

async function bundle() {
  const result = await build({
    absWorkingDir: root,
    entryPoints: ENTRIES,
    outdir: dist,
    bundle: true,
    minify: true,
    splitting: true,
    format: "esm",
    target: ["es2022", "chrome120", "firefox121", "safari17.4"],
    entryNames: "[name].[hash]",
    chunkNames: "chunk.[hash]",
    assetNames: "[name].[hash]",
    legalComments: "linked",
    loader: { ".woff2": "file" },
    metafile: true,
    logLevel: "warning",
  });
  const files = {};
  for (const [path, output] of Object.entries(result.metafile.outputs)) {
    if (!output.entryPoint) continue;
    files[basename(output.entryPoint).replace(/\.ts$/, ".js")] = basename(path);
    if (output.cssBundle)
      files[basename(output.entryPoint).replace(/\.ts$/, ".css")] = basename(output.cssBundle);
  }
  return files;
}

function compress(bytes) {
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  return { br: brotliCompressSync(bytes, { params }), gz: gzipSync(bytes, { level: 9 }) };
}

const input = await inputHash();
const manifest = join(dist, "manifest.json");
const before = await readFile(manifest, "utf8").catch(() => "");
// Made once more it would look changed, and the cloud that embeds it would be compiled again.
if (before.includes(`"input": "${input}"`)) process.exit(0);
await rm(dist, { recursive: true, force: true });
await mkdir(dist, { recursive: true });
const files = await bundle();
const sprite = await icons();
files["icons.svg"] = sprite.file;
files["mark.svg"] = await put("mark.svg", await readFile(join(root, "src/mark.svg"), "utf8"));
files["licences.txt"] = await licences();
const sizes = [];
for (const path of (await filesUnder(dist)).filter((path) => !path.endsWith(".woff2"))) {
  const bytes = await readFile(path);
  const { br, gz } = compress(bytes);
  await writeFile(`${path}.br`, br);
  await writeFile(`${path}.gz`, gz);
  sizes.push(`${basename(path)} ${bytes.length} / br ${br.length}`);
}
// Last, so that a build cut short leaves no manifest and is seen as not current.
await writeFile(manifest, `${JSON.stringify({ input, files, icons: sprite.names }, null, 2)}\n`);
console.log(sizes.sort().join("\n"));
