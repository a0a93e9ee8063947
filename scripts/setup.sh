#!/usr/bin/env bash
# Installs the system packages VlmSdk's build and software-rendered tests need on Debian-like systems: a C++ compiler and
# CMake for the kernels, the Vulkan loader, Mesa's software driver and the validation layer. Does nothing when all are there.
set -euo pipefail

missing=()
command -v g++ >/dev/null || missing+=(g++)
command -v cmake >/dev/null || missing+=(cmake)
# Not a pipe: grep -q ends at the first match, and what still writes to it would fail. Users may lack /sbin in their path.
has_library() { grep -q "$1" <<<"$(PATH="$PATH:/sbin:/usr/sbin" ldconfig -p 2>/dev/null)"; }
has_library 'libvulkan\.so\.1' || missing+=(libvulkan1)
compgen -G '/usr/share/vulkan/icd.d/lvp_icd*.json' >/dev/null || missing+=(mesa-vulkan-drivers)
compgen -G '/usr/share/vulkan/explicit_layer.d/VkLayer_khronos_validation.json' >/dev/null || missing+=(vulkan-validationlayers)

command -v dotnet >/dev/null || { echo "The .NET 10 SDK is missing: install it first, see https://dotnet.microsoft.com/download" >&2; exit 1; }

if [ ${#missing[@]} -gt 0 ]; then
    install="apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
    if [ "$(id -u)" = 0 ]; then
        echo "Installing ${missing[*]} ..."
        bash -c "$install" >/dev/null
    elif sudo -n true 2>/dev/null; then
        echo "Installing ${missing[*]} with sudo ..."
        sudo bash -c "$install" >/dev/null
    else
        echo "These packages are missing and need root to install. Run:" >&2
        echo "  sudo bash -c '$install'" >&2
        exit 1
    fi
fi
