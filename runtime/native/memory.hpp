// Working memory that is kept for the next run: fresh pages cost as much time as a small layer.
#pragma once

#include <cstddef>
#include <mutex>
#include <new>
#include <tuple>
#include <utility>
#include <vector>

namespace camc {

// A block of at least the given size, aligned to 64 bytes; its contents are what they were.
class Memory {
public:
    Memory() = default;

    explicit Memory(size_t size) : size_(size) {
        std::lock_guard<std::mutex> lock(guard());
        // The smallest that fits, and doesn't waste much.
        size_t best = kept().size(), largest = 2 * size + (size_t{1} << 16);
        for (size_t i = 0; i < kept().size(); ++i)
            if (kept()[i].first >= size && kept()[i].first <= largest &&
                (best == kept().size() || kept()[i].first < kept()[best].first))
                best = i;
        if (best < kept().size()) {
            std::tie(size_, data_) = kept()[best];
            kept().erase(kept().begin() + std::ptrdiff_t(best));
            kept_bytes() -= size_;
        } else {
            data_ = ::operator new(size, kAlign);
        }
    }

    Memory(Memory&& other) noexcept : size_(other.size_), data_(std::exchange(other.data_, nullptr)) {}
    Memory& operator=(Memory&& other) noexcept {
        std::swap(size_, other.size_);
        std::swap(data_, other.data_);
        return *this;
    }

    ~Memory() {
        if (!data_) return;
        std::lock_guard<std::mutex> lock(guard());
        if (kept_bytes() + size_ > kMost) {
            ::operator delete(data_, kAlign);
        } else {
            kept().emplace_back(size_, data_);
            kept_bytes() += size_;
        }
    }

    void* data() const { return data_; }

private:
    static constexpr std::align_val_t kAlign{64};
#ifdef CAMC_SANITIZE
    // Each block is exactly as large as it has to be, so that no access beyond it goes unseen.
    static constexpr size_t kMost = 0;
#else
    static constexpr size_t kMost = size_t{128} << 20;  // bytes
#endif

    // Never destroyed, as a block may outlive everything else at the end of the process.
    static std::mutex& guard() {
        static std::mutex& mutex = *new std::mutex;
        return mutex;
    }
    static std::vector<std::pair<size_t, void*>>& kept() {
        static auto& blocks = *new std::vector<std::pair<size_t, void*>>;
        return blocks;
    }

    static size_t& kept_bytes() {
        static size_t bytes = 0;
        return bytes;
    }

    size_t size_ = 0;
    void* data_ = nullptr;
};

}  // namespace camc
