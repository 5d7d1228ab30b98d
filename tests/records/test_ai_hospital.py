# ruff: noqa: RUF001 (Chinese punctuation is meant)

from __future__ import annotations

import copy
import json
import os
import random
import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medenv.errors import RecordError
from medenv.records import Record, load_records
from medenv.records.checking import check_records
from medenv.records.deidentify import identifiers_in_record
from medenv.records.importers.ai_hospital import AI_HOSPITAL
from medenv.records.importers.ai_hospital.firewall import RULES, ChineseFirewall, diagnoses_from, without_identifiers
from medenv.records.importers.report import Tally
from medenv.records.leaks import leaks_in_record
from medenv.records.record import record_from_dict, record_to_dict, topics

# Written for these tests, in the shape of the source.
SECTIONS = {
    "一般资料": "男，46岁，职业：木工",
    "主诉": "咳嗽、发热3天，加重1天",
    "现病史": "患者3天前受凉后出现咳嗽，咳黄痰，伴发热，最高体温38.9℃。无胸痛、咯血，否认盗汗。活动后气促加重，休息后缓解。"
    "外院胸片示右下肺阴影，考虑肺炎。自服感冒药未见好转，遂来我院就诊。",
    "既往史": "高血压病史5年，规律口服氨氯地平。否认糖尿病、冠心病史。对青霉素、磺胺类药物过敏。2019年3月行阑尾切除术。具体不详。",
    "个人史": "吸烟20年，每天10支。否认饮酒。否认冶游史。",
    "家族史": "父亲患有高血压，否认家族遗传病史。",
    "查体": "T38.6℃，P 96次/分，R 22次/分，BP 130/80mmHg。神志清楚。右下肺可闻及湿啰音。心律齐，无杂音。腹软，无压痛。",
    "辅助检查": "血常规：白细胞14.2×10^9/L，中性粒细胞比例88%。胸部CT：右肺下叶肺炎。心电图：正常。痰培养：结果未回。",
    "初步诊断": "肺炎",
    "诊断依据": "1. 咳黄痰，伴发热；2. 右下肺可闻及湿啰音；3. 胸部CT提示炎症。",
    "鉴别诊断": "1. 肺结核：多有低热、盗汗，不支持。\n2. 肺癌：无消瘦，暂不支持。",
    "诊治经过": "入院后予头孢曲松抗感染、氨溴索化痰治疗，吸氧，监测体温，3天后体温正常，好转出院。建议戒烟。",
    "诊断结果": "1.社区获得性肺炎\n2.高血压病",
    "分析总结": "此例提醒我们及时治疗。",
}
ROW = {"id": 7, "title": "木工的咳嗽", "department": "内科 > 呼吸内科病例", "read_num": 12, "medical_record": SECTIONS}
CHILD = {
    "medical_record": {
        "一般资料": ["患儿，女，3岁2个月"],
        "主诉": "反复咳嗽1周，发热2天",
        "现病史": "患儿1周前无明显诱因出现咳嗽，伴流涕，无喘息。2天前发热，热峰39.5℃，食欲减退。病程中大小便正常。",
        "个人史": "足月顺产，按时预防接种。",
        "过敏史": "否认食物及药物过敏史",
        "查体": {"生命体征": "T39.1℃ P130次/分", "肺部": "双肺可闻及湿啰音"},
        "辅助检查": "1.血常规：白细胞6.2×10^9/L。\n2.胸片：双肺纹理增粗，诊断支气管肺炎。",
        "诊断结果": "支气管肺炎",
        "治疗经过": "1.抗感染：阿奇霉素静滴；2.雾化吸入布地奈德；3.退热",
    }
}
RAW = {
    "department": "外科",
    "raw_medical_record": {
        "# 一般情况": "患者张某，女性，92岁，退休。住院号：A12345。电话：13812345678",
        "主诉：": "右上腹痛12小时",
        "病史": "缘患者于2021-03-05 14:30进食油腻后突发右上腹绞痛，放射至右肩，伴恶心、呕吐，曾到某某市第一人民医院就诊，"
        "李医生诊断为急性胆囊炎，予输液治疗后稍缓解。身份证号110101190001011234。家住某某市和平路12号。",
        "体格检查": "右上腹压痛，Murphy征阳性。",
        "辅助检查": "腹部彩超：胆囊壁增厚，符合急性胆囊炎。",
        "出院诊断": "急性胆囊炎",
        "治疗": "完善检查，急诊行腹腔镜胆囊切除术，术后抗感染。",
        "奇怪的栏目": "无",
    },
}
IDENTIFYING = re.compile(r"张某|李医生|9[0-9]岁|1381234|1101011900|A12345|2021|03-05|14:30|人民医院|和平路")


@pytest.fixture
def load(tmp_path):
    def write_and_load(*rows):
        path = tmp_path / "patients.json"
        path.write_text(json.dumps(rows, ensure_ascii=False), "utf-8")
        return load_records(path)

    return write_and_load


def row(**sections):
    changed = {name: text for name, text in {**SECTIONS, **sections}.items() if text is not None}
    return {**ROW, "medical_record": changed}


def told(record: Record) -> dict[str, str]:
    return {fact.statement: fact.lay for fact in record.facts}


def polarities(record: Record) -> dict[str, str]:
    return {fact.statement: fact.polarity for fact in record.facts}


def shown(record: Record) -> str:
    """All that other seats may see."""
    whole = record_to_dict(record)
    del whole["truth"]
    return json.dumps(whole, ensure_ascii=False)


def test_a_patient_tells_the_history_in_the_first_person(load):
    record = load(ROW)[0]
    said = told(record)
    assert record.language == "zh"
    assert record.speaker == "self"
    assert record.demographics.age.value == 46
    assert record.demographics.sex == "male"
    assert record.demographics.occupation == "木工"
    assert record.chief_complaint == "医生，您好。我咳嗽，还发烧了，有3天了。这1天更厉害了。"
    assert said["咳黄痰。"] == "我咳出来的痰是黄的。"
    assert said["最高体温38.9℃。"] == "最高烧到38.9度。"
    assert said["无胸痛。"] == "胸口不疼。"
    assert said["高血压病史5年。"] == "我有高血压，5年了。"
    assert said["父亲患有高血压。"] == "父亲患有高血压。"
    assert said["2019年行阑尾切除术。"] == "2019年做了阑尾切除术。"
    assert not any(word in lay for lay in said.values() for word in ("患者", "患儿", "否认"))


def test_denials_reach_every_item_of_a_list_and_no_further(load):
    found = polarities(load(ROW)[0])
    for absent in ("无胸痛。", "无咯血。", "无盗汗。", "无糖尿病。", "无冠心病。", "无饮酒。", "无家族遗传病。"):
        assert found[absent] == "absent"
    for present in ("发热。", "活动后气促加重。", "自服感冒药未见好转。", "吸烟20年。"):
        assert found[present] == "present"
    assert found["具体不详。"] == "unknown"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "无发热，咳嗽，咳痰，有胸闷。",
            {"无发热。": "absent", "无咳嗽。": "absent", "无咳痰。": "absent", "胸闷。": "present"},
        ),
        (
            "伴恶心、呕吐，不伴腹痛及腹泻。",
            {"恶心。": "present", "呕吐。": "present", "无腹痛。": "absent", "无腹泻。": "absent"},
        ),
        ("双下肢无力3天。", {"双下肢无力3天。": "present"}),
        ("休息后无缓解。", {"休息后无缓解。": "present"}),
        ("无明显诱因出现头痛。", {"无明显诱因出现头痛。": "present"}),
        ("未诉头晕、头痛等不适。", {"无头晕。": "absent", "无头痛。": "absent"}),
        ("否认肝炎、结核等传染病史。", {"无肝炎。": "absent", "无结核。": "absent"}),
        ("否认有明显消瘦。", {"无消瘦。": "absent"}),
        ("未规律服药。", {"未规律服药。": "present"}),
        ("诱因不明。", {"诱因不明。": "unknown"}),
    ],
)
def test_clauses_are_read(load, text, expected):
    record = load(row(现病史=text, 主诉="乏力2天"))[0]
    found = polarities(record)
    assert {statement: found.get(statement) for statement in expected} == expected


def test_a_list_of_habits_or_allergies_is_told_apart(load):
    record = load(row(个人史="否认烟酒嗜好。", 既往史="否认药物、食物过敏史。"))[0]
    assert {fact.topic: fact.lay for fact in record.facts if fact.topic in ("social.smoking", "social.alcohol")} == {
        "social.smoking": "不抽烟。",
        "social.alcohol": "不喝酒。",
    }
    assert {fact.statement for fact in record.facts if fact.topic == "allergies"} == {"无药物过敏。", "无食物过敏。"}


def test_facts_stand_under_their_topics(load):
    topics = {fact.statement: fact.topic for fact in load(ROW)[0].facts}
    assert topics["3天前受凉后出现咳嗽。"] == "hpi.onset"
    assert topics["最高体温38.9℃。"] == "hpi.severity"
    assert topics["活动后气促加重。"] == "hpi.aggravating"
    assert topics["休息后缓解。"] == "hpi.relieving"
    assert topics["自服感冒药未见好转。"] == "hpi.treatment"
    assert topics["无胸痛。"] == "ros.cardiovascular"
    assert topics["高血压病史5年。"] == "history.medical"
    assert topics["规律口服氨氯地平。"] == "medications"
    assert topics["对青霉素、磺胺类药物过敏。"] == "allergies"
    assert topics["2019年行阑尾切除术。"] == "history.surgical"
    assert topics["每天10支。"] == "social.smoking"
    assert topics["父亲患有高血压。"] == "family"


def test_what_opened_the_case_is_volunteered_and_what_decided_it_must_be_asked(load):
    facts = {fact.statement: fact for fact in load(ROW)[0].facts}
    assert [f.statement for f in facts.values() if f.disclosure == "volunteered"] == ["咳嗽、发热3天。", "加重1天。"]
    assert facts["咳黄痰。"].must_ask
    assert not facts["父亲患有高血压。"].must_ask
    assert facts["无冶游。"].sensitivity == "private"
    assert "cough" in facts["咳嗽、发热3天。"].synonyms
    assert "fever" in facts["咳嗽、发热3天。"].synonyms


def test_red_flags_are_marked(load):
    record = load(row(现病史="2小时前突发胸痛，伴大汗，曾晕厥1次，无咯血。", 主诉="胸痛2小时"))[0]
    flagged = {fact.statement for fact in record.facts if fact.red_flag}
    assert {"胸痛2小时。", "2小时前突发胸痛。", "曾晕厥1次。"} <= flagged
    assert "无咯血。" not in flagged


def test_what_only_the_hospital_would_say_is_no_fact(load):
    records = load(ROW)
    assert "右下肺阴影" not in "".join(told(records[0]))
    assert records.report.facts_dropped["an examination finding, not something to tell"] == 2
    assert records.report.facts_dropped["what the hospital did, not something to tell"] == 1


def test_examinations_and_tests_become_exams(load):
    exams = {exam.name: exam for exam in load(ROW)[0].exams}
    assert exams["生命体征"].result == "T38.6℃；P 96次/分；R 22次/分；BP 130/80mmHg。"
    assert exams["肺部检查"].result == "右下肺可闻及湿啰音。"
    assert exams["心脏检查"].result == "心律齐；无杂音。"
    assert exams["血常规"].result == "白细胞14.2×10^9/L，中性粒细胞比例88%。"
    assert "Complete blood count" in exams["血常规"].synonyms
    assert "Chest CT" in exams["胸部CT"].synonyms
    assert "Respiratory examination" in exams["肺部检查"].synonyms
    assert {name: exam.kind for name, exam in exams.items() if exam.cost} == {
        "血常规": "lab",
        "胸部CT": "imaging",
        "心电图": "bedside",
        "痰培养": "lab",
    }
    assert {name: exam.status for name, exam in exams.items() if exam.status != "recorded"} == {
        "心电图": "normal",
        "痰培养": "pending",
    }
    assert {name for name, exam in exams.items() if exam.key} == {"生命体征", "肺部检查", "血常规", "胸部CT"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.头颅CT：未见异常。2.血糖：8.4mmol/L。", {"头颅CT": "未见异常", "血糖": "8.4mmol/L"}),
        ("实验室检查：\n- 血常规：白细胞5.1\n- C反应蛋白：12mg/L", {"血常规": "白细胞5.1", "C反应蛋白": "12mg/L"}),
        (
            "血常规\n  白细胞5.1\n  血红蛋白120\n腹部彩超\n  肝囊肿",
            {"血常规": "白细胞5.1；血红蛋白120", "腹部彩超": "肝囊肿"},
        ),
        ("胃镜提示慢性炎症改变。", {"胃镜": "慢性炎症改变"}),
        ("一切都好。", {"其他检查": "一切都好"}),
    ],
)
def test_lists_and_prose_of_tests_are_read(load, text, expected):
    exams = {exam.name: exam.result.rstrip("。") or "未见异常" for exam in load(row(辅助检查=text))[0].exams}
    assert {name: exams.get(name) for name in expected} == expected


def test_what_the_diagnosis_was_based_on_is_key(load):
    tests = "血常规：白细胞11。胸片：心影增大。肝功能：ALT 90。布氏杆菌培养：布氏杆菌生长。尿常规：蛋白+。"
    exams = load(row(辅助检查=tests, 诊断结果="布氏杆菌病", 诊断依据="肝功能ALT 90"))[0].exams
    assert {exam.name for exam in exams if exam.key and exam.cost} == {"布氏杆菌培养", "肝功能"}


def test_without_an_examination_vital_signs_are_unavailable(load):
    exams = load(row(查体=None, 辅助检查=None))[0].exams
    assert [(exam.name, exam.status, exam.result) for exam in exams] == [("生命体征", "unavailable", "")]


def test_the_truth_has_names_rivals_plan_and_department(load):
    records = load(ROW)
    truth = records[0].truth
    assert truth.diagnosis.name == "社区获得性肺炎"
    assert "community-acquired pneumonia" in truth.diagnosis.synonyms
    assert [(h.name, h.probability) for h in truth.differential] == [
        ("社区获得性肺炎", 1.0),
        ("肺结核", 0.0),
        ("肺癌", 0.0),
    ]
    assert [(step.action, step.kind) for step in truth.plan] == [
        ("头孢曲松抗感染", "medication"),
        ("氨溴索化痰", "medication"),
        ("吸氧", "procedure"),
        ("监测体温", "monitoring"),
        ("建议戒烟", "advice"),
    ]
    assert truth.department == "呼吸内科"
    assert truth.urgency == "urgent"
    assert records.report.unmapped_keys == {"诊断结果, further diagnoses": 1}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("1.急性阑尾炎；2.高血压病3级（极高危）", ["急性阑尾炎", "高血压病3级"]),
        ("（1）脑梗死（2）2型糖尿病", ["脑梗死", "2型糖尿病"]),
        ("一、肺炎 二、心衰", ["肺炎"]),
        ("发热待查", []),
        ("发热原因待查：肺结核？", ["肺结核"]),
        ("慢性阻塞性肺疾病（COPD）", ["慢性阻塞性肺疾病"]),
        ("", []),
        ("肺炎" * 5000, ["肺炎"]),
    ],
)
def test_diagnoses_are_read_from_a_section(text, names):
    assert [diagnosis.name for diagnosis in diagnoses_from(text)][: len(names) or None] == names


def test_a_diagnosis_has_its_other_names():
    def synonyms(text):
        return diagnoses_from(text)[0].synonyms

    assert "COPD" in synonyms("慢性阻塞性肺疾病（COPD）")
    assert "脑梗塞" in synonyms("脑梗死")
    assert "脑梗死" in synonyms("急性脑梗死")
    assert "肺炎" in synonyms("支气管肺炎")
    assert synonyms("一种没人知道的怪病") == ()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("肺炎", "诊断为肺炎"),
        ("肺炎", "考虑肺 炎可能"),
        ("肺炎", "肺部感染"),
        ("社区获得性肺炎", "右下肺炎"),
        ("脑梗死", "曾患脑梗塞"),
        ("脑梗死", "右侧脑梗"),
        ("慢性阻塞性肺疾病（COPD）", "提示ＣＯＰＤ"),
        ("痛风", "Gout"),
    ],
)
def test_short_chinese_names_are_found_inside_a_text(name, text):
    firewall = ChineseFirewall(diagnoses_from(name)[0], Tally())
    assert firewall.names(text)
    assert not firewall.names(firewall.clean(f"血压高，{text}，心率快", "test"))


def test_the_diagnosis_is_named_nowhere_but_in_the_truth(load):
    row_ = row(
        主诉="发现肺炎3天，咳嗽3天",
        现病史="3天前咳嗽，外院诊断为肺炎，按肺部感染治疗。有肺炎接触史。",
        一般资料="男，46岁，职业：肺炎研究员",
        查体="肺炎体征。双肺呼吸音粗。",
        辅助检查="胸部CT：右肺下叶渗出，考虑肺炎。肺炎支原体抗体：阳性。",
        诊断结果="肺炎",
    )
    row_["profile"] = "<病情陈述> 你得了肺炎，咳嗽3天了。 <性别> 男"
    records = load(row_)
    text = shown(records[0])
    assert "肺炎" not in text
    assert "肺部感染" not in text
    assert "pneumonia" not in text.casefold()
    assert "右肺下叶渗出" in text
    assert records[0].demographics.occupation == ""
    assert records[0].chief_complaint == "医生，您好。咳嗽3天了。"
    assert records.report.facts_dropped["names the diagnosis"] >= 3
    assert records.report.leaks["exam result: conclusion cut off"] == 1


def test_a_patient_who_could_only_name_the_diagnosis_is_dropped(load):
    records = load(ROW, row(主诉="肺炎3天", 现病史="肺炎。", 既往史=None, 个人史=None, 家族史=None))
    assert len(records) == 1
    assert records.report.rows_dropped == {"nothing that the patient could tell without naming the diagnosis": 1}


@pytest.mark.parametrize(
    ("text", "left", "kind"),
    [
        ("2019年3月5日就诊", "2019年就诊", "date"),
        ("于2020-01-15复查", "于复查", "date"),
        ("3月5日起病", "当天起病", "date"),
        ("其母92岁", "其母89岁以上", "age over 89"),
        ("祖母九十三岁", "祖母89岁以上", "age over 89"),
        ("电话13812345678", "电话", "telephone number"),
        ("身份证号11010119000101123X", "", "social security number"),
        ("住院号：B0012", "", "medical record number"),
        ("姓名：欧阳明", "", "name"),
        ("患者王某某咳嗽", "患者咳嗽", "name"),
        ("到赵医生处", "到赵医生处", ""),
        ("，赵医生说", "，医生说", "name"),
        ("曾到临江市第二人民医院就诊", "曾到一家医院就诊", "place smaller than a state"),
        ("家住临江市", "", "place smaller than a state"),
        ("血压130/80mmHg，3年前", "血压130/80mmHg，3年前", ""),
        ("白细胞12.5，89岁", "白细胞12.5，89岁", ""),
        ("无黄染，张口受限", "无黄染，张口受限", ""),
    ],
)
def test_chinese_identifiers_are_taken_out(text, left, kind):
    tally = Tally()
    assert without_identifiers(text, tally) == left
    assert dict(tally.identifiers) == ({kind: 1} if kind else {})


def test_nothing_identifies_the_patient(load):
    records = load(RAW)
    record = records[0]
    assert record.demographics.age.value == 89
    assert record.demographics.sex == "female"
    assert not IDENTIFYING.search(json.dumps(record_to_dict(record), ensure_ascii=False))
    assert not list(identifiers_in_record(record))
    assert not list(leaks_in_record(record))
    assert records.report.ages_capped == 1
    assert {"date", "name", "place smaller than a state", "social security number"} <= set(records.report.identifiers)


@pytest.mark.parametrize("section", sorted(SECTIONS))
@pytest.mark.parametrize("place", ["。{}。", "、{}、", "，{}，", "\n{}：", "："])
def test_identifiers_are_taken_out_of_every_section(load, section, place):
    identifying = "住院号：A12345，姓名：张某，2021年3月5日，电话13812345678"
    for record in load(ROW, row(**{section: f"{SECTIONS[section]}{place.format(identifying)}"})):
        assert not re.search("A12345|张某|3月5日|13812345678", json.dumps(record_to_dict(record), ensure_ascii=False))


def test_a_raw_record_is_read_where_there_is_no_tidied_one(load):
    records = load(RAW)
    record = records[0]
    assert record.truth.diagnosis.name == "急性胆囊炎"
    assert told(record)["进食油腻后突发右上腹绞痛。"] == "我吃东西油腻后突发右上腹绞痛。"
    assert {fact.topic for fact in record.facts} >= {"hpi.onset", "hpi.radiation", "hpi.treatment"}
    assert {exam.name: exam.result for exam in record.exams}["腹部彩超"] == "胆囊壁增厚。"
    assert [step.action for step in record.truth.plan] == ["腹腔镜胆囊切除术", "抗感染"]
    assert records.report.unmapped_keys == {"奇怪的栏目": 1}


def test_the_raw_record_gives_what_the_tidied_one_lacks(load):
    lacking = {**row(个人史=None), "raw_medical_record": {"个人史": "饮酒10年。", "主诉": "牙疼1天"}}
    said = told(load(lacking)[0])
    assert "饮酒10年。" in said
    assert "牙疼1天。" not in said


def test_a_record_may_stand_in_the_row_itself(load):
    record = load({**SECTIONS, "id": 3, "department": "外科"})[0]
    assert record.truth.diagnosis.name == "社区获得性肺炎"
    assert record.truth.department == "外科"


def test_a_caregiver_speaks_for_a_child(load):
    records = load(CHILD)
    record = records[0]
    assert record.speaker == "caregiver"
    assert record.chief_complaint == "医生，您好，我带孩子来看病。她咳嗽，有1周了。她发烧了，有2天了。"
    assert told(record)["流涕。"] == "她流鼻涕。"
    assert {fact.topic for fact in record.facts} >= {"history.development", "history.immunisation", "allergies"}
    assert not any(re.search("我(?!带)|患儿", fact.lay) for fact in record.facts)
    assert {exam.name: exam.result for exam in record.exams} == {
        "生命体征": "T39.1℃ P130次/分。",
        "肺部检查": "双肺可闻及湿啰音。",
        "血常规": "白细胞6.2×10^9/L。",
        "胸片": "双肺纹理增粗。",
    }
    assert records.report.caregivers == 1


def test_a_caregiver_speaks_for_a_patient_who_cannot(load):
    record = load(row(主诉="突发意识不清1小时", 一般资料="女，70岁"))[0]
    assert record.speaker == "caregiver"
    assert record.chief_complaint.startswith("医生，您好，我陪家里人来看病。")
    assert not any(fact.lay.startswith("我") for fact in record.facts)


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("女，3岁", 3, "years"),
        ("性别：男 年龄：67", 67, "years"),
        ("男，0岁6个月", 6, "months"),
        ("男，8个月", 8, "months"),
        ("患儿，女，15天", 15, "days"),
        ("年龄: 2周", 2, "weeks"),
        ("男，101岁", 89, "years"),
    ],
)
def test_ages_are_read(load, text, value, unit):
    age = load(row(一般资料=text))[0].demographics.age
    assert (age.value, age.unit) == (value, unit)


def test_age_and_sex_come_from_the_profile_where_the_record_has_none(load):
    row_ = row(一般资料=None)
    row_["profile"] = "<病情陈述> 您已经咳嗽3天，还发烧。您很担心。 <性别> 女 <年龄> 33岁"
    record = load(row_)[0]
    assert (record.demographics.sex, record.demographics.age.value) == ("female", 33)
    assert record.chief_complaint == "医生，您好。我已经咳嗽3天，还发烧。"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"一般资料": "男性患者"}, "no age"),
        ({"一般资料": "男，200岁"}, "no age"),
        ({"诊断结果": "发热待查", "初步诊断": "查因"}, "no diagnosis"),
        ({"诊断结果": None, "初步诊断": None}, "no diagnosis"),
        ({"诊断结果": "", "初步诊断": []}, "no diagnosis"),
    ],
)
def test_what_cannot_be_a_record_is_dropped_and_counted(load, changes, reason):
    records = load(ROW, row(**changes))
    assert len(records) == 1
    assert records.report.rows_dropped == {reason: 1}


def test_the_first_diagnosis_serves_where_there_is_no_last(load):
    assert load(row(诊断结果="待查"))[0].truth.diagnosis.name == "肺炎"


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"medical_record": {**SECTIONS, "主诉": 3}}, r"field \$\.medical_record\.主诉: expected a text, got int"),
        (
            {"medical_record": {**SECTIONS, "查体": [["a", 2]]}},
            r"field \$\.medical_record\.查体\[0\]\[1\]: expected a text, got int",
        ),
        (
            {"medical_record": {**SECTIONS, "查体": {"肺": True}}},
            r"field \$\.medical_record\.查体\.肺: expected a text, got bool",
        ),
        ({"medical_record": {**SECTIONS, "查体": [[[[[["深"]]]]]]}}, "expected a text, got list"),
        (
            {"raw_medical_record": SECTIONS, "medical_record": "文字"},
            r"field \$\.medical_record: expected an object, got str",
        ),
        ({"medical_record": SECTIONS, "profile": 5}, r"field \$\.profile: expected a text, got int"),
        (
            {"medical_record": {"主诉": "", "诊断结果": "肺炎"}},
            r"field \$\.medical_record\.现病史: expected a text, got none",
        ),
    ],
)
def test_what_is_no_record_is_refused_by_name(load, bad, message):
    with pytest.raises(RecordError, match=message):
        load(bad)


def test_missing_sections_are_no_error(load):
    record = load({"medical_record": {"主诉": "咳嗽3天", "诊断结果": "肺炎", "一般资料": "男，46岁", "现病史": None}})[
        0
    ]
    assert [fact.statement for fact in record.facts] == ["咳嗽3天。"]
    assert record.truth.plan == ()
    assert record.truth.department == ""


def test_unknown_keys_are_counted(load):
    records = load({**row(), "sponsor": "x"})
    assert records.report.unmapped_keys["sponsor"] == 1


def test_records_survive_a_round_trip_and_pass_the_checks(load, tmp_path):
    records = load(ROW, CHILD, RAW)
    assert len(records) == 3
    assert len({record.id for record in records}) == 3
    for record in records:
        assert record_from_dict(json.loads(json.dumps(record_to_dict(record)))) == record
        assert {fact.topic for fact in record.facts} <= set(topics())
    assert not [problem for problem in check_records(tmp_path / "patients.json") if problem.fatal]


def test_the_same_row_gives_the_same_record(load):
    assert load(ROW)[0] == load(copy.deepcopy(ROW))[0]


def test_huge_sections_are_bounded_and_quick(load):
    def many(stem):
        return "。".join(f"{stem}第{n}种不适" for n in range(20_000))

    start = time.perf_counter()
    records = load(
        row(
            现病史=many("感到"),
            查体=many("腹部"),
            辅助检查=many("血糖："),
            鉴别诊断=many("1."),
            诊治经过=many("予药物"),
        )
    )
    assert time.perf_counter() - start < 10
    record = records[0]
    assert len(record.facts) <= 200
    assert len(record.exams) <= 60
    assert len(record.truth.plan) <= 20
    assert records.report.facts_dropped["beyond the first 8000 characters of a section"] == 5


@pytest.mark.parametrize(
    "section", ["主诉", "现病史", "查体", "辅助检查", "诊断结果", "鉴别诊断", "诊治经过", "一般资料"]
)
@pytest.mark.parametrize("piece", ["1", "无", "、", "（", "肺炎", "血常规：", "白细胞1.2", "**", "\n- ", "<主诉>"])
def test_a_text_that_repeats_itself_is_read_in_time(load, section, piece):
    start = time.perf_counter()
    records = load(ROW, row(**{section: piece * 9_000}))
    assert time.perf_counter() - start < 5
    assert len(records) in (1, 2)


def test_the_format_is_recognised_and_no_other():
    assert AI_HOSPITAL.recognises(ROW)
    assert AI_HOSPITAL.recognises(RAW)
    assert AI_HOSPITAL.recognises(SECTIONS)
    assert not AI_HOSPITAL.recognises({"主题": "x"})
    assert not AI_HOSPITAL.recognises({"OSCE_Examination": {}})
    assert not AI_HOSPITAL.recognises({"medical_record": "文字"})


def test_the_rules_are_sound():
    for group in RULES.data["diagnoses"]:
        assert len(group) == len({name.casefold() for name in group})
    for finding in RULES.data["findings"]:
        assert finding["topic"] in topics()
        assert finding["yes"].endswith("。")
        assert finding["no"].endswith("。")
        assert "{" not in finding["no"]
    names = [name for finding in RULES.data["findings"] for name in finding["names"]]
    assert len(names) == len(set(names))
    for part in RULES.data["topics"].values():
        for pattern, topic in part:
            re.compile(pattern)
            assert topic in topics()
    for pattern, _ in RULES.data["lay"]:
        re.compile(pattern)


TEXTS = st.text(
    st.sampled_from("无咳嗽发热伴有，。；、：1.2（）肺炎患者脑梗死年月日岁张某\n-*<>A 查示治疗予"), max_size=60
)


@settings(deadline=None, max_examples=60)
@given(
    st.dictionaries(
        st.sampled_from(sorted(SECTIONS)), st.one_of(TEXTS, st.lists(TEXTS, max_size=3), st.none()), max_size=6
    )
)
def test_any_texts_give_records_that_tell_nothing(tmp_path_factory, changes):
    path = tmp_path_factory.mktemp("fuzz") / "patients.json"
    path.write_text(json.dumps([ROW, row(**changes)], ensure_ascii=False), "utf-8")
    try:
        records = load_records(path)
    except RecordError:
        return
    for record in records:
        firewall = ChineseFirewall(record.truth.diagnosis, Tally())
        seen = [record.chief_complaint, record.demographics.occupation]
        seen += [text for fact in record.facts for text in (fact.statement, fact.lay, *fact.synonyms)]
        seen += [text for exam in record.exams for text in (exam.name, exam.result, *exam.synonyms)]
        assert not [text for text in seen if firewall.names(text)]
        assert record_from_dict(record_to_dict(record)) == record


def test_damaged_rows_are_read_or_refused_in_one_line(load):
    rng = random.Random(5)
    for _ in range(150):
        bad = copy.deepcopy(rng.choice([ROW, CHILD, RAW]))
        body = next(value for key, value in bad.items() if key.endswith("medical_record"))
        holder = rng.choice([bad, body])
        holder[rng.choice(list(holder))] = rng.choice(
            [None, 3, [], {}, "", "无", [None], {"a": None}, -0.5, "\x00", "肺炎"]
        )
        message = ""
        try:
            load(ROW, bad)
        except RecordError as error:
            message = str(error)
        assert "\n" not in message
        assert len(message) < 600


@pytest.mark.skipif(
    not os.environ.get("MEDENV_AI_HOSPITAL"), reason="set MEDENV_AI_HOSPITAL to patients.json to run this"
)
def test_the_published_patients_load():
    records = load_records(Path(os.environ["MEDENV_AI_HOSPITAL"]), format="ai-hospital")
    assert len(records) > 9 * sum(records.report.rows_dropped.values())
    for record in records:
        assert leaks_in_record(record) == []
        assert list(identifiers_in_record(record)) == []
        assert any(fact.disclosure == "volunteered" for fact in record.facts)
