// What the original tokenizers library says: node rust-oracle.cjs NODE_MODULES JOB.json OUT.json
// The job holds tokenizer files and texts; for each file come the ids of each text, and their decoded text with and
// without control tokens; for a file the library refuses, its message.
const fs = require('fs');
const path = require('path');

const [modules, job, out] = process.argv.slice(2);
const { Tokenizer } = require(path.join(modules, '@anush008', 'tokenizers'));

async function run() {
  const { files, texts } = JSON.parse(fs.readFileSync(job, 'utf8'));
  const results = {};
  for (const file of files) {
    try {
      const tokenizer = Tokenizer.fromFile(file);
      const encodings = await tokenizer.encodeBatch(texts, { addSpecialTokens: false });
      const ids = encodings.map(e => Array.from(e.getIds()));
      results[file] = { ids, whole: await tokenizer.decodeBatch(ids, false), plain: await tokenizer.decodeBatch(ids, true) };
    } catch (error) {
      results[file] = { error: String(error) };
    }
  }
  fs.writeFileSync(out, JSON.stringify(results));
}

run().catch(error => { console.error(error); process.exit(1); });
