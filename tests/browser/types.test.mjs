// The type declarations compile and match the module.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import ts from "typescript";

const usage = fileURLToPath(new URL("usage.ts", import.meta.url));
const module = fileURLToPath(new URL("../../src/flow/sessions/client", import.meta.url));

test("a TypeScript page compiles against the type declarations", () => {
  const options = {
    strict: true, noEmit: true, target: ts.ScriptTarget.ES2022, lib: ["lib.es2022.d.ts", "lib.dom.d.ts"],
    module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler, types: [],
  };
  const said = ts.getPreEmitDiagnostics(ts.createProgram([usage], options));
  assert.equal(ts.formatDiagnostics(said, {
    getCanonicalFileName: (name) => name, getCurrentDirectory: () => "", getNewLine: () => "\n",
  }), "");
});

/** Returns the exported classes and constants with their public members. */
function shape(path) {
  const source = ts.createSourceFile(path, readFileSync(path, "utf8"), ts.ScriptTarget.ES2022);
  const found = {};
  for (const statement of source.statements) {
    if (!statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)) continue;
    if (ts.isClassDeclaration(statement)) {
      const methods = statement.members.filter((member) => ts.isMethodDeclaration(member));
      const names = methods.map(({ name }) => name.text).filter((name) => !name.startsWith("#"));
      found[statement.name.text] = names.filter((name) => name !== "addEventListener").sort();
    } else if (ts.isVariableStatement(statement)) {
      found[statement.declarationList.declarations[0].name.text] = [];
    }
  }
  return found;
}

test("the type declarations list exactly the methods of the module", () => {
  const written = shape(`${module}.js`);
  assert.ok(written.AuthClient.includes("signIn"));
  assert.deepEqual(shape(`${module}.d.ts`), written);
});

test("the module is one small file without dependencies", () => {
  const text = readFileSync(`${module}.js`, "utf8");
  assert.doesNotMatch(text, /^import\b|\bimport\(/m);
  assert.ok(gzipSync(text).length < 12_000, `${gzipSync(text).length} bytes`);
});
