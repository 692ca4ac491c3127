#include "moe/store/stores.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/hash.h"
#include "tests/ops/gradient_check.h"

namespace gremium::moe {
namespace {

using ops::random_tensor;
using ops::same_bits;

class Store : public testing::Test {
  protected:
    Store() {
        for (uint64_t e = 0; e < 3; ++e) {
            for (uint64_t m = 0; m < 3; ++m) values_.push_back(random_tensor({4, 4}, e * 3 + m));
        }
        grad_ = OwnedTensor(DType::f32, {4, 4});
    }
    // Layer 0 is dense, layer 1 has three experts.
    std::unique_ptr<ExpertStore> make(Residency residency, bool trained = false) {
        std::vector<std::vector<ExpertWeights>> experts(2);
        for (size_t e = 0; e < 3; ++e) {
            const auto weight = [&](size_t m) { return ops::Weight{values_[e * 3 + m], trained ? grad_ : Tensor{}}; };
            experts[1].push_back({weight(0), weight(1), weight(2)});
        }
        return make_expert_store(std::move(experts), residency);
    }
    std::vector<OwnedTensor> values_;
    OwnedTensor grad_;
};

TEST_F(Store, LeasesOnlyWhatWasAskedFor) {
    const auto store = make(Residency::mapped);
    EXPECT_EQ(store->layers(), 2);
    EXPECT_EQ(store->experts(0), 0);
    EXPECT_EQ(store->experts(1), 3);
    const std::vector<int32_t> wanted{0, 2};
    const ExpertLease lease = store->lease(1, wanted);
    ASSERT_EQ(lease.weights().size(), 3u);
    EXPECT_EQ(lease.weights()[2]->gate.value.data, values_[6].get().data);
    EXPECT_EQ(lease.weights()[0]->up.value.data, values_[1].get().data);
    EXPECT_EQ(lease.weights()[1], nullptr);
}

TEST_F(Store, ResidentCopiesMappedDoesNot) {
    const auto mapped = make(Residency::mapped), resident = make(Residency::resident);
    for (int e = 0; e < 3; ++e) {
        const TensorView original = values_[static_cast<size_t>(e) * 3 + 2];
        EXPECT_EQ(mapped->peek({1, e}).down.value.data, original.data);
        EXPECT_NE(resident->peek({1, e}).down.value.data, original.data);
        EXPECT_TRUE(same_bits(resident->peek({1, e}).down.value, original));
        EXPECT_EQ(mapped->hash({1, e}), resident->hash({1, e}));
    }
    EXPECT_EQ(resident->residency({1, 0}), Residency::resident);
}

TEST_F(Store, ParametersStayWhereTheirOwnerHasThem) {
    const auto store = make(Residency::resident, true);
    const std::vector<int32_t> wanted{1};
    const ExpertLease lease = store->lease(1, wanted);
    EXPECT_EQ(lease.weights()[1]->gate.value.data, values_[3].get().data);
    EXPECT_EQ(lease.weights()[1]->gate.grad.data, grad_.get().data);
}

TEST_F(Store, HashIsThatOfTheBytes) {
    const auto store = make(Residency::mapped);
    std::vector<std::byte> bytes;
    for (size_t m = 3; m < 6; ++m) {
        const TensorView v = values_[m];
        bytes.insert(bytes.end(), v.data, v.data + v.bytes());
    }
    EXPECT_EQ(store->hash({1, 1}), content_hash(bytes));
    values_[4].get().f32()[0] += 1;
    EXPECT_NE(store->hash({1, 1}), content_hash(bytes));
}

// A layer of three experts in a file.
class FileStore : public testing::Test {
  protected:
    FileStore() {
        std::ofstream(path_, std::ios::binary) << std::string(9 * 64, 'x');
        const auto file = std::make_shared<const MappedFile>(path_);
        std::vector<std::vector<ExpertWeights>> experts(1);
        for (size_t e = 0; e < 3; ++e) {
            const auto weight = [&](size_t m) {
                return ops::Weight{{file->bytes().data() + (3 * e + m) * 64, DType::f32, {4, 4}}, {}};
            };
            experts[0].push_back({weight(0), weight(1), weight(2)});
        }
        mapped_ = make_mapped_store(experts, {file});
        resident_ = make_resident_store(experts, {file});
    }
    ~FileStore() override { std::filesystem::remove(path_); }

    std::filesystem::path path_ =
        std::filesystem::temp_directory_path() / ("gremium-store-" + std::to_string(getpid()));
    std::unique_ptr<ExpertStore> mapped_, resident_;
};

TEST_F(FileStore, KnowsWhereExpertsCameFrom) {
    for (ExpertStore* store : {mapped_.get(), resident_.get()}) {
        const std::vector<FilePart> source = store->source({0, 1});
        ASSERT_EQ(source.size(), 3u);
        for (size_t m = 0; m < 3; ++m) {
            EXPECT_EQ(source[m].file->path(), path_);
            EXPECT_EQ(source[m].offset, (3 + m) * 64);
            EXPECT_EQ(source[m].bytes, 64u);
        }
        EXPECT_THROW(store->source({0, 3}), Error);
    }
}

TEST_F(FileStore, CountsLeasesAndWants) {
    const std::vector<int32_t> two{0, 2}, one{1};
    mapped_->want(0, two);
    mapped_->want(0, two);  // is known to be on its way
    {
        const ExpertLease lease = mapped_->lease(0, two), other = mapped_->lease(0, one);
        EXPECT_EQ(mapped_->stats().held, 2);
    }
    mapped_->want(0, one);
    StoreStats s = mapped_->stats();
    EXPECT_EQ(s.leases, 2);
    EXPECT_EQ(s.held, 0);
    EXPECT_EQ(s.experts, 3);
    EXPECT_EQ(s.bytes, 3 * 3 * 64);
    EXPECT_EQ(s.wanted, 5);
    EXPECT_EQ(s.fetched, 2);
    EXPECT_EQ(s.misses, 1);  // expert 1 was leased before anyone wanted it
    const std::vector<int32_t> unknown{3};
    EXPECT_THROW(mapped_->want(0, unknown), Error);

    resident_->want(0, two);
    { const ExpertLease lease = resident_->lease(0, one); }
    s = resident_->stats();
    EXPECT_EQ(s.wanted, 2);
    EXPECT_EQ(s.fetched + s.misses, 0);
    EXPECT_EQ(s.bytes, 3 * 64);
}

TEST_F(Store, UnknownExpertsAreErrors) {
    const auto store = make(Residency::mapped);
    EXPECT_THROW(store->peek({1, 3}), Error);
    EXPECT_THROW(store->peek({0, 0}), Error);
    EXPECT_THROW(store->experts(2), Error);
    const std::vector<int32_t> wanted{-1};
    EXPECT_THROW(store->lease(1, wanted), Error);
}

TEST_F(Store, AMovedLeaseIsReturnedOnce) {
    struct Counting : ExpertStore {
        int returned = 0;
        int layers() const override { return 1; }
        int experts(int) const override { return 1; }
        ExpertLease lease(int layer, std::span<const int32_t> e) override {
            return {this, layer, {e.begin(), e.end()}, {}};
        }
        void want(int, std::span<const int32_t>) override {}
        void give_back(int, std::span<const int32_t>) override { ++returned; }
        std::vector<FilePart> source(ExpertId) const override { return {}; }
        const MappedFiles& files() const override { return none; }
        StoreStats stats() const override { return {}; }
        Residency residency(ExpertId) const override { return Residency::mapped; }
        std::string hash(ExpertId) const override { return {}; }
        const ExpertWeights& peek(ExpertId) const override { return nothing; }
        ExpertWeights nothing;
        MappedFiles none;
    } store;
    {
        ExpertLease lease = store.lease(0, {});
        const ExpertLease moved = std::move(lease);
    }
    EXPECT_EQ(store.returned, 1);
}

}  // namespace
}  // namespace gremium::moe
