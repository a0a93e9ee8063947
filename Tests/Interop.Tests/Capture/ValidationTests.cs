using Silk.NET.Vulkan;
using VlmSdk.Vulkan;

namespace VlmSdk.Tests.Interop.Capture;

/// <summary>Silence of the validation layer only means something when it speaks up about a real fault.</summary>
internal sealed unsafe class ValidationTests : GpuTests
{
    [Test]
    public void A_hazard_between_two_submits_is_reported()
    {
        VulkanDevice device = TestGpu.Device;
        VulkanDispatch vk = device.Dispatch;
        using var buffer = new GpuBuffer(vk, 64, BufferUsageFlags.TransferDstBit, readback: false);
        var pool = new CommandPoolCreateInfo { SType = StructureType.CommandPoolCreateInfo, QueueFamilyIndex = device.QueueFamily };
        CommandPool made;
        TestTarget.Ok(vk.CreateCommandPool(&pool, &made));
        CommandBuffer* commands = stackalloc CommandBuffer[2];
        var allocate = new CommandBufferAllocateInfo { SType = StructureType.CommandBufferAllocateInfo, CommandPool = made, CommandBufferCount = 2 };
        TestTarget.Ok(vk.AllocateCommandBuffers(&allocate, commands));
        uint word = 0;
        for (int i = 0; i < 2; i++)
        {
            var begin = new CommandBufferBeginInfo { SType = StructureType.CommandBufferBeginInfo };
            TestTarget.Ok(vk.BeginCommandBuffer(commands[i], &begin));
            vk.CmdUpdateBuffer(commands[i], buffer.Handle, 0, 4, &word);
            TestTarget.Ok(vk.EndCommandBuffer(commands[i]));
        }
        lock (device.SubmitLock)
        {
            for (int i = 0; i < 2; i++)
            {
                var submit = new SubmitInfo { SType = StructureType.SubmitInfo, CommandBufferCount = 1, PCommandBuffers = commands + i };
                _ = vk.QueueSubmit(&submit); // the layer's callback lets the call through
            }
            TestTarget.Ok(device.Api.QueueWaitIdle(device.Queue));
        }
        vk.Destroy(made);
        Assert.That(TestGpu.TakeMessages().Select(m => m.Id).Distinct(), Is.EqualTo(new[] { "SYNC-HAZARD-WRITE-AFTER-WRITE" }));
    }

    [Test]
    public void A_message_between_two_tests_fails_the_next()
    {
        TestGpu.Receive(new VulkanMessage(IsError: true, "late", "from a thread that outlived its test"));
        Assert.Throws<AssertionException>(NoMessagesBefore);
        Assert.DoesNotThrow(NoMessagesBefore, "one message fails one test");
    }
}
