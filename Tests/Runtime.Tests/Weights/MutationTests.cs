using System.Buffers.Binary;
using System.Text;
using VlmSdk.Weights;

namespace VlmSdk.Tests.Weights;

/// <summary>
/// Thousands of broken files from fixed seeds: the parsers throw <see cref="CheckpointException"/> or read a sound file, and
/// never allocate beyond 4 times the input plus 64 MiB. The mutations know the formats: lengths, counts and offsets are
/// replaced by the numbers that break parsers, JSON tokens by other tokens.
/// </summary>
public sealed class MutationTests
{
    /// <summary>VLMSDK_FUZZ_INPUTS sets another number of inputs a parser for long runs.</summary>
    private static readonly int Inputs = int.TryParse(Environment.GetEnvironmentVariable("VLMSDK_FUZZ_INPUTS"), out int inputs) ? inputs : 4000;

    private const long AllowedBytes = 64L << 20;

    private static readonly ulong[] Numbers =
    [
        0, 1, 2, 3, 7, 8, 31, 32, 33, 63, 64, 65, 255, 256, 65_535, 65_536, 65_537, 1_000_000_000, int.MaxValue, 1UL << 31, uint.MaxValue, 1UL << 32,
        1UL << 60, 1UL << 61, 1UL << 62, long.MaxValue, 1UL << 63, ulong.MaxValue - 31, ulong.MaxValue - 7, ulong.MaxValue,
    ];

    private static readonly string[] Tokens =
    [
        "{", "}", "[", "]", ",", ":", "\"", "\\", "0", "-1", "1e3", "8.0", "00", "null", "true", "NaN", "18446744073709551615", "18446744073709551616",
        "9223372036854775807", "4294967296", "2147483648", "\"\\ud800\"", "\"\\u0000\"", "\"F32\"", "\"I4\"", "\"dtype\":", "\"shape\":", "\"data_offsets\":",
        "\"__metadata__\":{}", "\"a\":{}", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", " ", "\n", "\t", "//", "/**/", "\u00e9", "\ufeff",
    ];

    [Test]
    public void Broken_gguf_files_are_refused_cheaply() =>
        Run(Seeds("valid/gguf", "*.gguf").Append(SmallGguf()).ToArray(), MutateBinary, bytes => Use(GgufFile.Parse("mutant", bytes)));

    [Test]
    public void Broken_npz_files_are_refused_cheaply() =>
        Run([NpzTests.Seed(deflated: false), NpzTests.Seed(deflated: true)], MutateBinary, bytes => Use(NpzFile.Parse("mutant", bytes)));

    [Test]
    public void Broken_safetensors_files_are_refused_cheaply() =>
        Run(Seeds("valid/safetensors", "*.safetensors").ToArray(), MutateSafetensors, bytes => Use(SafetensorsFile.Parse("mutant", bytes)));

    [Test]
    public void Broken_index_files_are_refused_cheaply()
    {
        byte[][] seeds =
        [
            "{\"metadata\":{\"total_size\":16,\"x\":[{\"y\":{}}]},\"weight_map\":{\"a\":\"m-1.safetensors\",\"b\":\"m-2.safetensors\"}}"u8.ToArray(),
            "{\"weight_map\": {\"layers.0.q\": \"model-00001-of-00002.safetensors\"}}\n"u8.ToArray(),
        ];
        Run(seeds, MutateJson, bytes =>
        {
            if (!SafetensorsIndex.Parse("mutant", bytes).ShardNames.All(n => n.EndsWith(".safetensors", StringComparison.Ordinal)))
                Assert.Fail("a shard of another kind");
        });
    }

    private static void Run(byte[][] seeds, Func<Random, byte[], byte[]> mutate, Action<byte[]> parse)
    {
        Assert.That(seeds, Is.Not.Empty);
        int refused = 0;
        for (int i = 0; i < Inputs; i++)
        {
            var random = new Random(i);
            byte[] bytes = seeds[i % seeds.Length];
            for (int step = random.Next(1, 4); step > 0; step--)
                bytes = mutate(random, bytes);
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                parse(bytes);
            }
            catch (CheckpointException e) when (e.Message.StartsWith("mutant: ", StringComparison.Ordinal))
            {
                refused++;
            }
            catch (Exception e) when (e is not AssertionException)
            {
                Assert.Fail($"input {i} ({Convert.ToHexString(bytes.AsSpan(0, Math.Min(bytes.Length, 512)))}): {e}");
            }
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            // A sixty-fourth of what is promised: these inputs are small.
            if (allocated > 4L * bytes.Length + AllowedBytes / 64)
                Assert.Fail($"input {i} of {bytes.Length} bytes allocated {allocated}");
        }
        Assert.That(refused, Is.InRange(Inputs / 2, Inputs - 1), "most mutants are broken, some are sound");
    }

    /// <summary>A file that opened must be readable to its last tensor, inside its own bytes.</summary>
    private static void Use(IWeightSource source)
    {
        foreach (TensorInfo info in source.Tensors.Values)
            if (source.Read(info.Name).Data.Length != info.ByteCount)
                Assert.Fail($"{info} was read short");
    }

    private static IEnumerable<byte[]> Seeds(string folder, string pattern) =>
        Directory.GetFiles(Golden.Own("quant", folder), pattern).Order(StringComparer.Ordinal).Select(File.ReadAllBytes);

    private static byte[] SmallGguf()
    {
        using var stream = new MemoryStream();
        new GgufWriter().Add("a", 1u).AddArray<string>("b", ["x", "yy"])
            .AddTensor("t", new Tensors.HostTensor(Tensors.DType.Q4_0, new Tensors.Shape(2, 32)))
            .AddTensor("u", new Tensors.HostTensor(Tensors.DType.F32, new Tensors.Shape(1))).Write(stream);
        return stream.ToArray();
    }

    private static byte[] MutateBinary(Random random, byte[] bytes)
    {
        byte[] copy = [.. bytes];
        if (copy.Length < 16)
            return [.. copy, (byte)random.Next(256)];
        int at = random.Next(copy.Length - 8);
        switch (random.Next(8))
        {
            case 0:
                copy[at] ^= (byte)(1 << random.Next(8));
                return copy;
            case 1:
                copy[at] = (byte)random.Next(256);
                return copy;
            case 2:
                BinaryPrimitives.WriteUInt64LittleEndian(copy.AsSpan(at), Numbers[random.Next(Numbers.Length)]);
                return copy;
            case 3:
                BinaryPrimitives.WriteUInt32LittleEndian(copy.AsSpan(at), (uint)Numbers[random.Next(Numbers.Length)]);
                return copy;
            case 4:
                return ReplaceSmallNumber(random, copy);
            case 5:
                return copy[..at];
            case 6:
                return [.. copy[..at], .. copy[random.Next(copy.Length)..]];
            default:
                int count = random.Next(1, 32);
                return [.. copy[..at], .. copy.AsSpan(at, Math.Min(count, copy.Length - at)), .. copy[at..]];
        }
    }

    /// <summary>Eight bytes that read as a small number are a length, count, axis or offset: those are what breaks parsers.</summary>
    private static byte[] ReplaceSmallNumber(Random random, byte[] copy)
    {
        int start = random.Next(copy.Length - 8);
        for (int i = 0; i < copy.Length - 8; i++)
        {
            int at = (start + i) % (copy.Length - 8);
            ulong value = BinaryPrimitives.ReadUInt64LittleEndian(copy.AsSpan(at));
            if (value is 0 or > 4096)
                continue;
            BinaryPrimitives.WriteUInt64LittleEndian(copy.AsSpan(at), random.Next(3) switch
            {
                0 => value - 1,
                1 => value + 1,
                _ => Numbers[random.Next(Numbers.Length)],
            });
            break;
        }
        return copy;
    }

    /// <summary>Changes the JSON and mostly keeps the length field right, so that faults behind it are reached.</summary>
    private static byte[] MutateSafetensors(Random random, byte[] bytes)
    {
        if (bytes.Length < 16 || random.Next(8) == 0)
            return MutateBinary(random, bytes);
        ulong announced = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        int length = announced <= (ulong)(bytes.Length - 8) ? (int)announced : bytes.Length - 8;
        byte[] header = MutateJson(random, bytes[8..(8 + length)]);
        byte[] prefix = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(prefix, (ulong)header.Length);
        return [.. prefix, .. header, .. bytes[(8 + length)..]];
    }

    private static byte[] MutateJson(Random random, byte[] json)
    {
        int at = random.Next(json.Length + 1);
        byte[] token = Encoding.UTF8.GetBytes(Tokens[random.Next(Tokens.Length)]);
        switch (random.Next(5))
        {
            case 0:
                return [.. json[..at], .. token, .. json[at..]];
            case 1:
                return [.. json[..at], .. json[Math.Min(json.Length, at + random.Next(1, 6))..]];
            case 2:
                int end = Math.Min(json.Length, at + random.Next(1, 40));
                return [.. json[..end], .. json[at..end], .. json[end..]];
            case 3:
                return ReplaceDigits(random, json, at);
            default:
                byte[] copy = [.. json];
                if (copy.Length > 0)
                    copy[at % copy.Length] = (byte)random.Next(256);
                return copy;
        }
    }

    private static byte[] ReplaceDigits(Random random, byte[] json, int from)
    {
        int start = Array.FindIndex(json, from, b => b is >= (byte)'0' and <= (byte)'9');
        if (start < 0)
            return json;
        int end = Array.FindIndex(json, start, b => b is < (byte)'0' or > (byte)'9');
        return [.. json[..start], .. Encoding.UTF8.GetBytes($"{Numbers[random.Next(Numbers.Length)]}"), .. json[(end < 0 ? json.Length : end)..]];
    }
}
