// A loop whose iterations several threads share.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <system_error>
#include <thread>
#include <vector>

namespace native {

// Calls `work(index)` for each index below `count`; a thread takes the next one each time. Rethrows the first error.
template <typename Work>
void each_in_parallel(std::size_t count, int threads, Work work) {
    std::vector<std::exception_ptr> errors(count);
    std::atomic<std::size_t> next{0};
    const auto loop = [&] {
        for (std::size_t index = next++; index < count; index = next++) {
            try {
                work(index);
            } catch (...) {
                errors[index] = std::current_exception();
            }
        }
    };
    std::vector<std::thread> others;
    const auto useful = static_cast<int>(std::min<std::size_t>(static_cast<std::size_t>(threads), count));
    for (int other = 1; other < useful; ++other) {
        try {
            others.emplace_back(loop);
        } catch (const std::system_error&) {
            break;  // the threads there are do it all
        }
    }
    loop();
    for (std::thread& other : others) other.join();
    for (const std::exception_ptr& error : errors)
        if (error) std::rethrow_exception(error);
}

}  // namespace native
